import type { Resources, TimeoutPolicy } from './model.ts'
import type {
  Archive,
  Blobs,
  DockerfileReader,
  ImageBuilder,
  Ledger,
  Pool,
  RemoteReader,
  Runtime,
} from './ports/index.ts'
import type { IdentityConfig } from './services/identity.ts'

/** The core's own view of time, so that tests need not wait. */
export interface Clock {
  now(): Date
  /** Milliseconds, from whenever, that go on evenly: setting the clock does not change them, and sleep of the machine does not count */
  uptimeMs(): number
  /** Calls `fn` once after `ms` milliseconds unless disposed. Does not keep the process alive. */
  after(ms: number, fn: () => void): Disposable
}

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface CoreConfig {
  /** What tokens are made from: 32 random bytes that stay the same for one ledger */
  secret: Uint8Array
  /** Absent where sandboxes have no identity that clouds take */
  identity?: IdentityConfig | undefined
  resources: Resources
  /** Largest a request may ask for */
  maxResources: Resources
  /** Public keys of the servers whose memory may be restored here, see `Signer` */
  trustedKeys: readonly string[]
  /** Largest root filesystem of an image, in bytes */
  maxImageBytes: number
  timeout: TimeoutPolicy
  dns: string[]
  /** Milliseconds until the agent of a new incarnation must answer */
  bootTimeoutMs: number
  /** Milliseconds that all hooks of one occasion may take together */
  hookTimeoutMs: number
  /** How long what is over is kept, in milliseconds */
  keep: {
    /** Events, ended operations and killed sandboxes, from when they happened or ended */
    historyMs: number
    /** What a request with an idempotency key was answered, from when it was first made */
    idempotencyMs: number
  }
  /** How often the server looks of itself whether snapshots are whole (`check`) and can be started; `null` for never */
  verify: { checkEveryMs: number | null; drillEveryMs: number | null }
  /** Most containers made ahead of a request, of all images and snapshots together; 0 for none */
  standbys: number
  /** Milliseconds between SIGTERM and SIGKILL at a stop */
  stopGraceMs: number
}

/** Everything the core is made of. */
export interface Parts {
  ledger: Ledger
  runtime: Runtime
  pool: Pool
  blobs: Blobs
  imageBuilders: readonly ImageBuilder[]
  /** Absent where nothing is built from Dockerfiles */
  dockerfiles?: DockerfileReader
  /** What files of elsewhere can be brought from; absent for nowhere */
  remotes?: readonly RemoteReader[]
  /** Absent where nothing goes out */
  archive?: Archive
  clock: Clock
  log: Log
  config: CoreConfig
  /** Aborted when the server closes; ends work that a restart does again */
  closing: AbortSignal
  /** Called at every named point of every operation; a crash test ends the process there. */
  failpoint: (name: string) => void
}

export const systemClock: Clock = {
  now: () => new Date(),
  uptimeMs: () => performance.now(),
  after(ms, fn) {
    // setTimeout holds at most 2^31-1 ms; a longer wait is cut and the caller's check re-arms it.
    const timer = setTimeout(fn, Math.min(Math.max(0, ms), 2 ** 31 - 1))
    timer.unref()
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  },
}
