import { cancelled } from '@spawnpoint/confined'
import {
  type BucketSource,
  type BucketWriter,
  FairTurns,
  type FairTurnsOptions,
  type OpenBucket,
  type RemoteAsk,
  SpawnpointError,
  type TakeRemote,
} from '@spawnpoint/core'
import { Asker, environmentProxy, type OutgoingProxy, type Roots, systemRoots } from '@spawnpoint/outbound'
import { BucketCredentials } from './authorize.ts'
import { AZURE } from './azure.ts'
import { GCS } from './gcs.ts'
import { KeptListings } from './kept-listings.ts'
import { changeOf, readListing, versionOf } from './listing.ts'
import { type Networks, networks } from './networks.ts'
import { objectsArchive, tooLarge } from './objects-archive.ts'
import { openBucket } from './open-bucket.ts'
import { S3 } from './s3.ts'
import type { StoreProtocol } from './store.ts'
import { StoreSession } from './store-session.ts'

export interface BucketReaderOptions {
  /** For what is known of buckets; belongs to these readers alone */
  dir: string
  /** IPv4 addresses and CIDRs of private networks, or of this machine, where stores may be; without TLS there alone */
  near?: readonly string[]
  /** PEM; of those that may say who a store is, default whom this machine trusts */
  roots?: readonly string[]
  /** Milliseconds that one bucket may take once it is its turn, default ten minutes */
  timeoutMs?: number
  /** Buckets that are read at a time; some 32 MiB of memory each */
  turns?: FairTurnsOptions
  /** What requests with TLS go through, default what the environment names */
  proxy?: OutgoingProxy | null
}

const TEN_MINUTES_MS = 600_000
/** Most that each kind of store takes in one piece */
const MAX_FILE_BYTES = 5_000 * 2 ** 20
const TURNS: FairTurnsOptions = { atOnce: 16, perParty: 4 }

/** Readers of all kinds of buckets. Removes what an earlier process left half done. */
export async function openBucketReaders(options: BucketReaderOptions): Promise<BucketWriter[]> {
  const { near = [], timeoutMs = TEN_MINUTES_MS, proxy = environmentProxy() } = options
  const roots = () => options.roots ?? systemRoots()
  const within = networks(near)
  const granting = new BucketCredentials(new Asker(within.open, roots, proxy))
  const kept = await KeptListings.open(options.dir)
  const turns = new FairTurns(options.turns ?? TURNS)
  const common = { kept, networks: within, granting, roots, timeoutMs, turns, proxy }
  return [new BucketReader(S3, common), new BucketReader(GCS, common), new BucketReader(AZURE, common)]
}

interface Common {
  kept: KeptListings
  networks: Networks
  granting: BucketCredentials
  roots: Roots
  timeoutMs: number
  turns: FairTurns
  proxy: OutgoingProxy | null
}

/** Reads what is below a directory of a bucket: all of it at first, then what is not as it was. Or opens it for single objects. */
class BucketReader<S extends BucketSource> implements BucketWriter<S> {
  readonly type: S['type']
  readonly maxFileBytes = MAX_FILE_BYTES
  readonly #protocol: StoreProtocol<S>
  readonly #common: Common

  constructor(protocol: StoreProtocol<S>, common: Common) {
    this.type = protocol.type
    this.#protocol = protocol
    this.#common = common
  }

  read(ask: RemoteAsk<S>, take: TakeRemote, given: AbortSignal): Promise<string> {
    return this.#inTurn(ask, given, 'read the bucket', (session) => this.#read(session, ask, take))
  }

  async #inTurn<T>(
    ask: Pick<RemoteAsk<S>, 'source' | 'team' | 'credentials'>,
    given: AbortSignal,
    step: string,
    use: (session: StoreSession) => Promise<T>,
  ): Promise<T> {
    const { networks, granting, roots, timeoutMs, turns, proxy } = this.#common
    using turn = await turns.take(ask.team, given).catch(() => {
      throw cancelled(step)
    })
    const late = AbortSignal.timeout(timeoutMs)
    const { source, credentials } = ask
    const { title } = this.#protocol
    const signal = AbortSignal.any([given, late])
    // However long a guest takes with what it was given.
    signal.addEventListener('abort', () => turn[Symbol.dispose](), { once: true })
    try {
      const within = { networks, roots: roots(), proxy }
      using session = new StoreSession({ source, title, credentials, granting, ...within, signal })
      return await use(session)
    } catch (error) {
      if (given.aborted) throw cancelled(step)
      if (late.aborted) {
        const message = `Could not ${step} within ${Math.round(timeoutMs / 1_000)} s: ${source.bucket}`
        throw new SpawnpointError('timeout', message, { what: step, timeoutMs })
      }
      throw error
    }
  }

  open<T>(
    ask: Pick<RemoteAsk<S>, 'source' | 'team' | 'credentials' | 'maxBytes'>,
    use: (bucket: OpenBucket) => Promise<T>,
    given: AbortSignal,
  ): Promise<T> {
    const { source, maxBytes } = ask
    return this.#inTurn(ask, given, 'reach the bucket', (session) =>
      use(openBucket({ protocol: this.#protocol, session, source, maxBytes })),
    )
  }

  async #read(
    session: StoreSession,
    { source, known, maxBytes, maxChanges }: RemoteAsk<S>,
    take: TakeRemote,
  ): Promise<string> {
    const { kept } = this.#common
    const listing = await readListing(this.#protocol, session, source)
    if (versionOf(listing) === known) return known
    const total = listing.values().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    if (total > maxBytes) throw tooLarge(maxBytes)
    const before = known === null ? null : await kept.find(known)
    const change = before === null ? null : changeOf(before, listing, maxChanges)
    const paths = change?.brought ?? [...listing.keys()]
    const asked = { protocol: this.#protocol, session, source, paths, maxBytes, mayLackSome: change === null }
    await take(objectsArchive(listing, asked), change)
    const version = versionOf(listing)
    await kept.keep(version, listing)
    return version
  }
}
