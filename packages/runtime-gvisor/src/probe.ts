import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { release } from 'node:os'
import { runCommand } from '@spawnpoint/host-commands'
import { binaryDigest } from './binary-digest.ts'
import type { Capabilities } from './capabilities.ts'
import { errorText, unavailable } from './failure.ts'
import { tryOut } from './trial.ts'

const HELP_TIMEOUT_MS = 20_000
/** Raise when `Capabilities` gets a field or a trial changes: older results are not used then. */
const FORMAT = 2

export interface ProbeOptions {
  binary: string
  cacheDir: string
  /** Directory of an agent that a trial sandbox may run as its only program */
  agentDir: string
  /** Directory for the trial's files; removed afterwards */
  scratchDir: string
}

/**
 * What this binary can do on this kernel. Asking takes about two seconds, so the answer is kept under the digest of the
 * binary and the kernel's release. Rejects `unavailable` with the reason if it cannot run sandboxes here.
 */
export async function probe(options: ProbeOptions): Promise<Capabilities> {
  let digest: string
  try {
    digest = await binaryDigest(options.binary, `${options.cacheDir}/runsc/binary.json`)
  } catch (error) {
    throw unavailable(`runsc cannot be read at ${options.binary}: ${errorText(error)}; install gVisor`, error)
  }
  const file = `${options.cacheDir}/runsc/${digest}-${release()}.json`
  const known = await readKnown(file)
  if (known) return known
  const capabilities = await ask(options, digest)
  await mkdir(`${options.cacheDir}/runsc`, { recursive: true })
  const draft = `${file}.${process.pid}`
  await writeFile(draft, JSON.stringify({ format: FORMAT, capabilities }, null, 2))
  await rename(draft, file)
  return capabilities
}

async function ask(options: ProbeOptions, digest: string): Promise<Capabilities> {
  const { binary } = options
  const [version, flags, checkpointFlags, restoreFlags, words] = await Promise.all([
    say(binary, ['--version']).then((text) => versionOf(text, digest)),
    say(binary, ['flags']).then(flagNames),
    say(binary, ['help', 'checkpoint']).then(flagNames),
    say(binary, ['help', 'restore']).then(flagNames),
    knownWords(binary),
  ])
  for (const flag of ['platform', 'network', 'overlay2', 'net-raw', 'cpu-num-from-quota']) {
    if (!flags.includes(flag)) throw unavailable(`${binary} has no --${flag}: this gVisor is too old`)
  }
  const asked: Capabilities = {
    version,
    flags,
    checkpointFlags,
    restoreFlags,
    coverSysNet: false,
    takesOrders: false,
    capturesDeletedFiles: !words.refusesDeletedFiles,
    keepsConnections: !words.refusesConnections,
    idleIsFree: false,
  }
  return { ...asked, ...(await tryOut(options, asked)) }
}

/** Prints to standard output or error, depending on the version; some exit with 2 after printing help. */
async function say(binary: string, args: string[]): Promise<string> {
  let text: string
  try {
    const result = await runCommand(binary, args, { timeoutMs: HELP_TIMEOUT_MS })
    text = result.timedOut ? '' : result.stdout + result.stderr
  } catch (error) {
    throw unavailable(`${binary} cannot be started: ${errorText(error)}`, error)
  }
  if (text.trim() === '') throw unavailable(`${binary} ${args.join(' ')} says nothing; is it gVisor's runsc?`)
  return text
}

export function flagNames(help: string): string[] {
  return [...help.matchAll(/^\s+--?([A-Za-z0-9_-]+)/gm)].map((match) => match[1] as string)
}

/** A build without a version of its own is told apart from others like it by its digest. */
export function versionOf(text: string, digest: string): string {
  const version = /^runsc version (\S+)/m.exec(text)?.[1] ?? 'unknown'
  return /\d/.test(version) ? version : `${version}+${digest.slice(0, 12)}`
}

/** Refusals that the binary has words for. */
const REFUSES_DELETED_FILES = Buffer.from("deleted and invalidated dentries can't be restored")
const REFUSES_CONNECTIONS = Buffer.from('endpoint cannot be saved in connected state')

async function knownWords(binary: string): Promise<{ refusesDeletedFiles: boolean; refusesConnections: boolean }> {
  const program = await readFile(binary)
  return {
    refusesDeletedFiles: program.includes(REFUSES_DELETED_FILES),
    refusesConnections: program.includes(REFUSES_CONNECTIONS),
  }
}

async function readKnown(file: string): Promise<Capabilities | null> {
  try {
    const known = JSON.parse(await readFile(file, 'utf8')) as { format: number; capabilities: Capabilities }
    return known.format === FORMAT ? known.capabilities : null
  } catch {
    // ENOENT, or half a file after a power cut: ask again.
    return null
  }
}
