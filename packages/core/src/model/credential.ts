import type { Env } from './team.ts'

/**
 * Headers that the server puts into a sandbox's requests to named hosts, after these have left the sandbox: what is secret in
 * them is never inside. Of several rules that fit a request the first counts.
 */
export interface CredentialRule {
  /** Unique among the sandbox's */
  name: string
  enabled: boolean
  /** Host names, or `*.name` for all below it; over HTTP on port 80 and TLS on port 443 */
  hosts: string[]
  /**
   * Without the query: a whole path, `/prefix/*` (or `**`) for what begins with `/prefix`, `*` before `/suffix` for what ends
   * with `suffix`, `*` for all; none for all
   */
  paths: string[]
  /** The request must have all of these, with these values */
  matchHeaders: { name: string; value: string }[]
  headers: CredentialHeader[]
  /** Not secret; for processes of the sandbox while the rule is enabled, under the sandbox's own variables */
  env: Env
}

/**
 * It takes the place of what the request has. `sealed` opens for the server alone, for the same team, hosts and header; in
 * `template` each `{NAME}` stands for the team's secret of that name, as it is when the request is made.
 */
export type CredentialHeader =
  | { name: string; value: string }
  | { name: string; sealed: string }
  | { name: string; template: string }
