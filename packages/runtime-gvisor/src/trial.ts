import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { bundleConfig, freshSpec } from './bundle.ts'
import type { Capabilities } from './capabilities.ts'
import { errorText, unavailable } from './failure.ts'
import { findCommands, killProcess, waitUntilDead } from './host-process.ts'
import { incarnationPaths } from './incarnation-record.ts'
import { findControlSocket, SocketControl } from './kernel-control.ts'
import { containerStdio, PipeStock } from './pipes.ts'
import { Runsc } from './runsc.ts'

const TRIAL_ID = '0'.repeat(24)
const START_TIMEOUT_MS = 60_000
const ORDER_TIMEOUT_MS = 5_000
const SETTLE_MS = 500
const IDLE_SAMPLE_MS = 1_000
/** Of one processor. Those that idle freely take less than 0.1 %, the others 1 to 6 % */
const IDLE_SHARE = 0.004

export interface TrialOptions {
  binary: string
  agentDir: string
  scratchDir: string
}

/**
 * Starts one sandbox to learn what no help text tells: whether this kernel needs /proc/sys/net covered, what an idle
 * sandbox costs, and whether its kernel obeys us on its control socket. Rejects `unavailable` if it starts neither way.
 */
export async function tryOut(
  options: TrialOptions,
  asked: Capabilities,
): Promise<Pick<Capabilities, 'coverSysNet' | 'idleIsFree' | 'takesOrders'>> {
  const refusals: string[] = []
  for (const coverSysNet of [false, true]) {
    const dir = `${options.scratchDir}/${coverSysNet ? 'covered' : 'plain'}`
    try {
      const sentry = await startTrial(options, { ...asked, coverSysNet }, dir)
      const idleIsFree = (await idleShare(sentry)) < IDLE_SHARE
      return { coverSysNet, idleIsFree, takesOrders: await takesOrders(trialPaths(dir).root) }
    } catch (error) {
      const detail = error instanceof Error && 'context' in error ? JSON.stringify(error.context) : errorText(error)
      refusals.push(detail)
    } finally {
      const left = findCommands(dir, new Set())
      left.forEach(killProcess)
      await waitUntilDead(left, 10_000)
      rmSync(options.scratchDir, { recursive: true, force: true })
    }
  }
  throw unavailable(`${options.binary} cannot start a sandbox on this host: ${refusals.join(' | ')}`)
}

function trialPaths(dir: string) {
  return incarnationPaths(dir, TRIAL_ID as Parameters<typeof incarnationPaths>[1])
}

async function startTrial(options: TrialOptions, capabilities: Capabilities, dir: string): Promise<number> {
  const paths = trialPaths(dir)
  const rootPath = `${dir}/root`
  mkdirSync(rootPath, { recursive: true })
  mkdirSync(paths.bundle, { recursive: true })
  await new PipeStock(`${dir}/pipes`, 1).take(paths.pipes)
  const config = bundleConfig({
    frozen: freshSpec({ cpus: 1, memoryBytes: 256 * 1024 * 1024, diskBytes: 0, maxProcesses: 64 }),
    rootPath,
    hostname: 'trial',
    agentDir: options.agentDir,
    volumes: [],
    cgroupPath: '',
    networkNamespace: '',
  })
  writeFileSync(`${paths.bundle}/config.json`, JSON.stringify(config))
  const runsc = new Runsc(options.binary, capabilities, { goferNamespace: 'new', extraFlags: ['--ignore-cgroups'] })
  await runsc.call({
    step: 'run',
    args: ['-detach', '-bundle', paths.bundle, '-pid-file', paths.pidFile, TRIAL_ID],
    root: paths.root,
    logFile: paths.log,
    timeoutMs: START_TIMEOUT_MS,
    stdio: containerStdio(paths.pipes),
  })
  return Number(readFileSync(paths.pidFile, 'utf8'))
}

/** Every order, and what each leads to: a version that understands them in another way is given none. */
async function takesOrders(root: string): Promise<boolean> {
  const path = findControlSocket(root)
  if (path === null) return false
  const control = new SocketControl(path, ORDER_TIMEOUT_MS, new AbortController().signal)
  try {
    for (const paused of [true, false]) {
      if ((await control.isPaused()) === paused) return false
      await control.setPaused(paused)
      if ((await control.isPaused()) !== paused) return false
    }
    return true
  } catch {
    // Another protocol, or none: the commands work all the same.
    return false
  }
}

async function idleShare(pid: number): Promise<number> {
  await sleep(SETTLE_MS)
  const [cpuBefore, before] = [cpuNs(pid), performance.now()]
  await sleep(IDLE_SAMPLE_MS)
  return (cpuNs(pid) - cpuBefore) / 1e6 / (performance.now() - before)
}

/** Processor time of all threads; finer than the clock ticks of /proc/PID/stat. */
function cpuNs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]))
    .reduce((sum, ns) => sum + ns, 0)
}
