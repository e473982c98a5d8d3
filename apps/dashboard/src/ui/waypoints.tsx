import { waypoints } from '../paths.ts'

/** The directories on the way to one, each to go to. */
export function Waypoints({ path, onGo }: { path: string; onGo: (path: string) => void }) {
  if (!path.startsWith('/')) return null
  return (
    <nav aria-label="Directory" className="waypoints">
      {waypoints(path).map((one, index) => (
        <span key={one.path}>
          {index > 1 && <span aria-hidden="true">/</span>}
          <button type="button" className="link" onClick={() => onGo(one.path)}>
            {one.name}
          </button>
        </span>
      ))}
    </nav>
  )
}
