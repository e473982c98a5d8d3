export type Theme = 'system' | 'light' | 'dark'

const ITEM = 'spawnpoint.theme'

export function storedTheme(): Theme {
  const stored = localStorage.getItem(ITEM)
  return stored === 'light' || stored === 'dark' ? stored : 'system'
}

/** `data-theme` decides; without it the system does, see styles/tokens.css. */
export function applyTheme(theme: Theme): void {
  if (theme === 'system') {
    localStorage.removeItem(ITEM)
    delete document.documentElement.dataset.theme
  } else {
    localStorage.setItem(ITEM, theme)
    document.documentElement.dataset.theme = theme
  }
}
