/**
 * Secrets that the server can tell again without having stored them: made from its own secret, the same as long as that is.
 * `purpose` separates uses (`envd`, `ingress`, `download`, …), so that a token for one is none for another.
 */
export interface TokensApi {
  /** 64 hex characters */
  issue(purpose: string, subject: string): string
  /** In constant time; `false` for whatever `issue` does not give. */
  verify(purpose: string, subject: string, token: string): boolean
}
