/**
 * Headers that the server puts into requests to named hosts after these have left the sandbox: what is secret in them is never
 * inside. Of several rules that fit a request the first counts.
 */
export interface CredentialRule {
  name: string
  enabled: boolean
  /** Host names, or `*.name` for all below it; over HTTP on port 80 and TLS on port 443 */
  hosts: string[]
  /** A whole path, `/prefix/*`, `*` before `/suffix`, or `*`, without the query; none for all */
  paths: string[]
  /** The request must have all of these, with these values */
  matchHeaders: { name: string; value: string }[]
  /** In place of what the request has under these names; `value` is `null` for a secret, `template` refers to secrets of the team */
  headers: { name: string; value: string | null; template?: string | undefined; secret: boolean }[]
  /** For the sandbox's processes, under its own variables; not secret */
  env: Record<string, string>
}

export interface SetCredentialRule {
  /** Unique among the sandbox's */
  name: string
  /** Default true */
  enabled?: boolean | undefined
  hosts: string[]
  paths?: string[] | undefined
  matchHeaders?: { name: string; value: string }[] | undefined
  headers: {
    name: string
    /** Absent for a secret that the rule of this name and these hosts has already */
    value?: string | undefined
    /** Instead of `value`: text in which each `{NAME}` stands for a secret of the team */
    template?: string | undefined
    /** Never told to anybody again; default true */
    secret?: boolean | undefined
  }[]
  env?: Record<string, string> | undefined
}
