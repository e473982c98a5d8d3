import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const COMPONENTS = new Set(['main', 'contrib', 'non-free', 'non-free-firmware'])

/**
 * One-line sources for a suite of Debian: what this host itself is configured to use, so that mirrors and proxies of its
 * operator hold; Debian's own where the host is something else.
 */
export async function aptSources(suite: string): Promise<string[]> {
  return hostSources(await indexTargets(), suite) ?? defaultSources(suite)
}

/** `null` unless the host has the suite itself with its component `main`. */
export function hostSources(targets: string, suite: string): string[] | null {
  const wanted = [suite, `${suite}-updates`, `${suite}-security`]
  const found = new Map<string, Set<string>>()
  for (const line of targets.split('\n')) {
    const [uri = '', release = '', component = ''] = line.split('|')
    if (!wanted.includes(release) || !COMPONENTS.has(component)) continue
    const source = `${uri} ${release}`
    found.set(source, (found.get(source) ?? new Set()).add(component))
  }
  const sources = [...found].map(([source, components]) => `deb ${source} ${[...components].join(' ')}`)
  const complete = sources.some((line) => line.includes(` ${suite} `) && / main\b/.test(line))
  return complete ? sources : null
}

export function defaultSources(suite: string): string[] {
  const archive = 'http://deb.debian.org/debian'
  if (suite === 'sid' || suite === 'unstable') return [`deb ${archive} ${suite} main`]
  return [
    `deb ${archive} ${suite} main`,
    `deb ${archive} ${suite}-updates main`,
    `deb ${archive}-security ${suite}-security main`,
  ]
}

/** Proxy settings of the host's apt, as options for another apt. */
export async function aptProxies(): Promise<string[]> {
  const { stdout } = await run('apt-config', ['dump', '--format', '%f %v%n', 'Acquire']).catch(() => ({ stdout: '' }))
  // Without apt-config there is no apt that could have proxies.
  return stdout.split('\n').flatMap((line) => {
    const [, name, value] = /^(Acquire::https?::Proxy(?:::[\w.-]+)?) ([^\s"]+)$/i.exec(line) ?? []
    return name && value ? [`${name} "${value}"`] : []
  })
}

async function indexTargets(): Promise<string> {
  const args = ['indextargets', '--format', '$(REPO_URI)|$(RELEASE)|$(COMPONENT)', 'Created-By: Packages']
  // A host without apt, or with sources that apt rejects, has no say.
  return run('apt-get', args).then(
    ({ stdout }) => stdout,
    () => '',
  )
}
