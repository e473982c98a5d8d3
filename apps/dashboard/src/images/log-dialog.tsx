import { useQuery } from '@tanstack/react-query'
import type { BuildLogEntry, Image } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { Answer } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'

const LOOK_EVERY_MS = 1_000
/** Of the end, which says why a build failed. */
const MOST = 2_000

export function LogDialog({ image, onClose }: { image: Image; onClose: () => void }) {
  const client = useClient()
  const query = useQuery({
    queryKey: ['images', image.id, 'log'],
    queryFn: async () => {
      const { state } = await client.images.get(image.id)
      const entries: BuildLogEntry[] = []
      for await (const entry of client.images.log(image.id)) entries.push(entry)
      return { state, entries: entries.slice(-MOST) }
    },
    refetchInterval: ({ state: { data } }) => (data?.state === 'building' ? LOOK_EVERY_MS : false),
  })
  return (
    <Dialog title={`Build of ${image.name}`} wide onClose={onClose}>
      <Answer query={query}>
        {({ entries }) => (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which the keyboard must be able to
          <pre className="code log" tabIndex={0}>
            {entries.length === 0
              ? 'Nothing is recorded of it.'
              : entries.map(({ step, message }) => `${step === null ? '' : `[${step}] `}${message}`).join('\n')}
          </pre>
        )}
      </Answer>
      <div className="dialog-foot">
        <Button onClick={onClose}>Close</Button>
      </div>
    </Dialog>
  )
}
