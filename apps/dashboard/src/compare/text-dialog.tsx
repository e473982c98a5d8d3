import { useQuery } from '@tanstack/react-query'
import type { TextComparison } from 'spawnpoint'
import { Answer } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import './compare.css'
import { type Compared, compareText } from './sides.ts'

const TOLD: Record<Exclude<TextComparison['outcome'], 'text'>, string> = {
  same: 'The content is the same.',
  binary: 'It is not text.',
  not_a_file: 'It is not a file on both sides.',
  too_large: 'It is too large to be told.',
  too_different: 'It is too different to be told.',
}

export function TextDialog({ compared, path, onClose }: { compared: Compared; path: string; onClose: () => void }) {
  const query = useQuery({
    queryKey: ['comparison', compared.before.id, compared.after.id, 'text', path],
    queryFn: () => compareText(compared, path),
    gcTime: 0,
  })
  return (
    <Dialog title={path} wide onClose={onClose}>
      <Answer query={query}>
        {({ outcome, unified }) => (outcome === 'text' ? <Unified text={unified ?? ''} /> : <p>{TOLD[outcome]}</p>)}
      </Answer>
      <div className="dialog-foot">
        <Button onClick={onClose}>Close</Button>
      </div>
    </Dialog>
  )
}

const KINDS: Record<string, string> = { '+': 'added', '-': 'removed', '@': 'place' }

/** Its first two lines name the sides, which the dialog does. */
function Unified({ text }: { text: string }) {
  const lines = text.replace(/\n$/, '').split('\n')
  const shown = lines[0]?.startsWith('--- ') ? lines.slice(2) : lines
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which the keyboard must be able to
    <pre className="code unified" tabIndex={0}>
      {shown.map((line, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: lines have nothing else, and never change
        <div key={index} className={KINDS[line[0] ?? '']}>
          {line === '' ? ' ' : line}
        </div>
      ))}
    </pre>
  )
}
