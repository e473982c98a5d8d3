import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, globSync, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Builds the program that measures inside sandboxes, as `agent` in the new directory `dir`, where a bundle mounts it. */
export function buildGuestProgram(dir: string): string {
  mkdirSync(dir, { recursive: true })
  const output = join(dir, 'agent')
  execFileSync(findGo(), ['build', '-trimpath', '-buildvcs=false', '-ldflags', '-s -w', '-o', output, '.'], {
    cwd: join(import.meta.dirname, 'guest'),
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local', GOPROXY: 'off' },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  chmodSync(output, 0o755)
  return output
}

/** Where script/bootstrap looks, too. */
function findGo(): string {
  const onPath = (process.env.PATH ?? '').split(delimiter).map((entry) => join(entry, 'go'))
  const candidates = [...onPath, '/usr/local/go/bin/go', ...globSync('/usr/lib/go-1.*/bin/go'), '/usr/lib/go/bin/go']
  const found = candidates.find((path) => existsSync(path))
  if (found === undefined) throw new Error('no Go toolchain; run script/bootstrap')
  return found
}
