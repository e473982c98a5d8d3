import { type Principal, type SpawnpointApi, SpawnpointError, type TeamId } from '@spawnpoint/core'

const PURPOSE = 'e2b-upload'
/** The clients give an upload an hour; what had begun by then may end. */
const VALID_S = 3600

/** Query of an address to which the files of a build are sent, by who has the address and no key. */
export interface UploadGrant {
  team: string
  expires: number
  signature: string
}

export async function grantUpload(api: SpawnpointApi, by: Principal, hash: string, now: Date): Promise<UploadGrant> {
  const expires = Math.floor(now.getTime() / 1000) + VALID_S
  const signature = await api.tokens.issueFor(by, PURPOSE, subject(by.teamId, hash, expires))
  return { team: by.teamId, expires, signature }
}

/** Who uploads. Rejects `unauthenticated`. */
export function uploaderOf(api: SpawnpointApi, hash: string, grant: UploadGrant, now: Date): Principal {
  const { team, expires, signature } = grant
  const genuine = api.tokens.verify(PURPOSE, subject(team, hash, expires), signature)
  if (!genuine || expires * 1000 < now.getTime()) {
    throw new SpawnpointError('unauthenticated', 'The upload address is not valid, or not any more', {})
  }
  return { teamId: team as TeamId, keyId: null }
}

function subject(team: string, hash: string, expires: number): string {
  return `${team}/${hash}/${expires}`
}
