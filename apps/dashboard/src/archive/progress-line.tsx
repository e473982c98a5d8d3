import type { OperationProgress } from 'spawnpoint'
import { Meter } from '../ui/bits.tsx'

/** How far a long piece of work is, as it tells. */
export function ProgressLine({ progress }: { progress: OperationProgress | null }) {
  if (progress === null) return <div className="sub">Under way…</div>
  const { step, fraction, line } = progress
  return (
    <div className="sub wraps" role="status">
      {step}
      {fraction !== null && (
        <>
          {' '}
          {Math.round(fraction * 100)} %
          <Meter value={fraction} of={1} />
        </>
      )}
      {line !== null && <div>{line.slice(0, 120)}</div>}
    </div>
  )
}
