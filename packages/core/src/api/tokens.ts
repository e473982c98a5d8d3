import type { Principal } from '../api.ts'

/**
 * Secrets that the server can tell again without having stored them: made from its own secret, the same as long as that is.
 * `purpose` separates uses (`envd`, `ingress`, `download`, …), so that a token for one is none for another.
 */
export interface TokensApi {
  /** 64 hex characters */
  issue(purpose: string, subject: string): string
  /** As `issue`, for a token that opens what only a key with the scope `write` can: rejects `forbidden` for any other. */
  issueFor(by: Principal, purpose: string, subject: string): Promise<string>
  /** In constant time; `false` for whatever `issue` does not give. */
  verify(purpose: string, subject: string, token: string): boolean
}
