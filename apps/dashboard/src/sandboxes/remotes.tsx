import type { Remote } from 'spawnpoint'
import { Facts } from '../ui/bits.tsx'
import { lookText, sourceText } from './remote-text.ts'

/** Files of elsewhere, by the directories that they are put into. */
export function RemotesPanel({ remotes }: { remotes: readonly Remote[] }) {
  return (
    <section className="panel">
      <h2>Files of elsewhere</h2>
      <Facts
        of={remotes.map((remote) => [
          remote.path,
          <div key={remote.name}>
            <span className="name">{remote.name}</span> <code>{sourceText(remote.source)}</code>
            <div className="sub">{lookText(remote)}</div>
          </div>,
        ])}
      />
    </section>
  )
}
