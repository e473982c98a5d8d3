import { invalidArgument } from '../errors.ts'
import { newId, type TeamId } from '../ids.ts'
import type { Team } from '../model.ts'
import type { Parts } from '../parts.ts'
import { type Keys, newKey } from './keys.ts'

export const FIRST_TEAM = '000000000000000000000001' as TeamId

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/

export class Teams {
  readonly #parts: Parts
  readonly #keys: Keys

  constructor(parts: Parts, keys: Keys) {
    this.#parts = parts
    this.#keys = keys
  }

  /** A key of the first team, which is made if it is not there yet. */
  async adminKey(): Promise<string> {
    const { ledger, clock } = this.#parts
    if ((await ledger.read.team(FIRST_TEAM)) === null) {
      const team: Team = { id: FIRST_TEAM, name: 'default', snapshotRetentionMs: null, createdAt: clock.now() }
      await ledger.transact((tx) => tx.putTeam(team))
    }
    return (await this.#keys.createFor(FIRST_TEAM, 'admin')).secret
  }

  /** With its first key, shown this once. Rejects `name_taken`. */
  async create(name: string): Promise<{ team: Team; key: string }> {
    if (!NAME.test(name))
      throw invalidArgument('name', "1 to 63 lowercase letters, digits or '-', beginning with a letter or digit")
    const { ledger, clock } = this.#parts
    const team: Team = { id: newId<TeamId>(), name, snapshotRetentionMs: null, createdAt: clock.now() }
    const { key, hash, secret } = newKey(this.#parts, team.id, 'first')
    await ledger.transact(async (tx) => {
      await tx.putTeam(team)
      await tx.putKey(key, hash)
    })
    return { team, key: secret }
  }
}
