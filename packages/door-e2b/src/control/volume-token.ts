import { type Principal, type SpawnpointApi, SpawnpointError, type TeamId, type Volume } from '@spawnpoint/core'

const PURPOSE = 'volume'

/** Opens the files of one volume to who has it and no key: its team, and what proves that this server said so. */
export async function volumeToken(api: SpawnpointApi, by: Principal, { id }: Volume): Promise<string> {
  return `${by.teamId}.${await api.tokens.issueFor(by, PURPOSE, subject(by.teamId, id))}`
}

/** Who has this token, `null` if it is not of the form of one. Rejects `unauthenticated` if it is not for this volume. */
export function holderOf(api: SpawnpointApi, volumeId: string, token: string): Principal | null {
  const [, team = '', proof = ''] = /^([0-9a-f]{24})\.([0-9a-f]{64})$/.exec(token) ?? []
  if (team === '') return null
  if (!api.tokens.verify(PURPOSE, subject(team, volumeId), proof)) {
    throw new SpawnpointError('unauthenticated', 'The token is not for this volume', {})
  }
  return { teamId: team as TeamId, keyId: null }
}

function subject(team: string, volumeId: string): string {
  return `${team}/${volumeId}`
}
