import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findRunsc } from '../find-runsc.ts'

/** The runsc binaries to test: `SPAWNPOINT_RUNSC`, paths with commas between them, else the one production would take. */
export const RUNSCS: readonly string[] = process.env.SPAWNPOINT_RUNSC
  ? process.env.SPAWNPOINT_RUNSC.split(',')
  : [findRunsc()]

const PACKAGES = ['python3', 'iproute2']

/** A small Debian, made once and kept in the temporary directory. Copy it; do not run on it. */
export function debianRoot(): string {
  const key = createHash('sha256').update(PACKAGES.join()).digest('hex').slice(0, 8)
  return cached(`spawnpoint-test-debian-${key}`, (dir) => {
    const options = ['--variant=essential', '--quiet', `--include=${PACKAGES.join()}`, '--skip=output/dev']
    execFileSync('mmdebstrap', [...options, 'bookworm', dir], { stdio: 'pipe' })
  })
}

/** The agent, built from its source; Go's cache makes it quick. */
export function buildAgent(output: string): string {
  const script = join(import.meta.dirname, '../../../../guest/agent/build.sh')
  execFileSync('sh', [script, output], { stdio: 'pipe' })
  return output
}

export function copyTree(from: string, to: string): void {
  execFileSync('cp', ['-a', `${from}/.`, to])
}

function cached(name: string, make: (dir: string) => void): string {
  const dir = join(tmpdir(), name)
  if (existsSync(dir)) return dir
  const draft = `${dir}.${process.pid}`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft)
  make(draft)
  try {
    renameSync(draft, dir)
  } catch (error) {
    // ENOTEMPTY: another test was first; its one is as good.
    if (!existsSync(dir)) throw error
    rmSync(draft, { recursive: true, force: true })
  }
  return dir
}
