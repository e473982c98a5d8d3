import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { keyFromAddress, signIn } from './session.ts'
import './styles/tokens.css'
import './styles/layout.css'
import './styles/components.css'
import './styles/cards.css'
import { applyTheme, storedTheme } from './ui/theme.ts'

applyTheme(storedTheme())
const given = keyFromAddress(location, history)
if (given !== null) signIn(given, false)
// After an update of the server the parts that this page was made with are gone; the new page has the new ones.
addEventListener('vite:preloadError', () => location.reload())

const root = document.getElementById('root')
if (root === null) throw new Error('The page has no #root')
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
