import type { AuditId, KeyId, OperationId, TeamId } from '../ids.ts'

/** Who has asked for what, and what became of it. Texts are cut at 200 characters. */
export interface AuditEntry {
  id: AuditId
  teamId: TeamId
  at: Date
  /** Name of the door that it came through, such as `native` */
  door: string
  /** `null` where another proof than a key was shown, as a token of one sandbox */
  keyId: KeyId | null
  /** Name of the key, and whose it was, at that time */
  keyName: string | null
  member: string | null
  /** The call: `sandboxes.create`, `keys.revoke`, … */
  what: string
  /** What it was about, as it was named in the request, or the id of what was made */
  target: string | null
  /** `accepted`: its operation goes on, and says how it ended; else `done` or the code of an error */
  outcome: string
  operationId: OperationId | null
}
