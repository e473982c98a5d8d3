import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { Exclusive } from '../exclusive.ts'
import { unavailable } from '../failure.ts'
import { MAX_SERVERS } from './addresses.ts'

interface Claim {
  stateDir: string
}

const DYING_SERVER_MS = 3_000
const CLAIM_FILE = /^(\d{1,2})\.json$/

/**
 * A number that no other server on the host has, and the same one again after a restart: names and addresses of its
 * network derive from it. The number is locked while the server runs; the claim on disk outlives it.
 */
export class ServerIndex {
  readonly index: number
  readonly #file: string
  readonly #lock: Exclusive

  private constructor(index: number, file: string, lock: Exclusive) {
    this.index = index
    this.#file = file
    this.#lock = lock
  }

  /**
   * `isInUse` says whether processes run under an index; one that has neither a server nor processes is free, whoever
   * claimed it. Rejects `unavailable` if another server runs with the same state directory.
   */
  static async claim(dir: string, stateDir: string, isInUse: (index: number) => boolean): Promise<ServerIndex> {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const all = await Exclusive.take('claims', 10_000)
    if (!all) throw unavailable('Another server has kept the claims of this host locked for 10 seconds')
    try {
      const claims = readClaims(dir)
      for (const [index, claim] of claims) {
        if (claim.stateDir !== stateDir) continue
        // A server that was killed while it started a program leaves a copy of itself, with the lock, until that program
        // takes its place: once we have the lock, everything it began can be told by its arguments.
        const lock = await Exclusive.take(`index ${index}`, DYING_SERVER_MS)
        if (!lock) throw unavailable(`Another server runs with the state directory ${stateDir}`)
        return new ServerIndex(index, claimFile(dir, index), lock)
      }
      for (let index = 0; index < MAX_SERVERS; index += 1) {
        if (isInUse(index)) continue
        const lock = await Exclusive.take(`index ${index}`, 0)
        if (!lock) continue
        writeClaim(dir, index, { stateDir })
        return new ServerIndex(index, claimFile(dir, index), lock)
      }
      throw unavailable(`${MAX_SERVERS} servers run on this host already`)
    } finally {
      await all.release()
    }
  }

  /** `keep` if sandboxes live on: only a server with the same state directory gets the number then. */
  async release(keep: boolean): Promise<void> {
    if (!keep) rmSync(this.#file, { force: true })
    await this.#lock.release()
  }
}

function readClaims(dir: string): Map<number, Claim> {
  const claims = new Map<number, Claim>()
  for (const name of readdirSync(dir)) {
    const index = CLAIM_FILE.exec(name)?.[1]
    if (index === undefined) continue
    try {
      claims.set(Number(index), JSON.parse(readFileSync(`${dir}/${name}`, 'utf8')) as Claim)
    } catch {
      // Half a file of a host that crashed: nothing of that time lives, so it claims nothing.
    }
  }
  return claims
}

function writeClaim(dir: string, index: number, claim: Claim): void {
  const temporary = `${dir}/.${index}.tmp`
  writeFileSync(temporary, JSON.stringify(claim), { mode: 0o600 })
  renameSync(temporary, claimFile(dir, index))
}

function claimFile(dir: string, index: number): string {
  return `${dir}/${index}.json`
}
