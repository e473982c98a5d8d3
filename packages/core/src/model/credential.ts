import type { Env } from './team.ts'

/**
 * Headers, or a signature, that the server puts into a sandbox's requests to named hosts, after these have left the sandbox: what is secret in
 * them is never inside. Of several rules that fit a request the first counts.
 */
export interface CredentialRule {
  /** Unique among the sandbox's */
  name: string
  enabled: boolean
  /** What it is for, in words; absent for none */
  description?: string | undefined
  /** Host names, or `*.name` for all below it; over HTTP on port 80 and TLS on port 443 */
  hosts: string[]
  /** On this one of the two ports alone; absent for both */
  port?: 80 | 443 | undefined
  /**
   * Its headers, none of them secret, go into each request to a host that any other rule names, beside those of the rule that
   * fits. It names no hosts itself
   */
  everywhere?: boolean | undefined
  /**
   * Without the query: a whole path, `/prefix/*` (or `**`) for what begins with `/prefix`, `*` before `/suffix` for what ends
   * with `suffix`, `*` for all; none for all
   */
  paths: string[]
  /** The request must have all of these, with these values */
  matchHeaders: { name: string; value: string }[]
  headers: CredentialHeader[]
  /** Where its requests go instead of to the hosts; absent for nowhere else. Not together with `auth` */
  rewrite?: CredentialRewrite | undefined
  /** Another way to give a request its credential, after `headers`; absent for none */
  auth?: CredentialAuth | undefined
  /** Not secret; for processes of the sandbox while the rule is enabled, under the sandbox's own variables */
  env: Env
}

/** Another host, over TLS; the request is for it by its `Host` as well. */
export interface CredentialRewrite {
  /** A name; an address on a private network only where the operator allows it */
  host: string
  port: number
  /**
   * What becomes of credentials that the request comes with (`Authorization`, `Cookie` and their kin): taken out, made
   * unreadable, or left as they are
   */
  guestCredentials: 'strip' | 'redact' | 'keep'
}

/**
 * It takes the place of what the request has. `sealed` opens for the server alone, for the same team, hosts and header; in
 * `template` each `{NAME}` stands for the team's secret of that name, as it is when the request is made.
 */
export type CredentialHeader =
  | { name: string; value: string }
  | { name: string; sealed: string }
  | { name: string; template: string }

/** Values are those of `values`, by name; see `services/credential-kinds.ts`. */
export type CredentialAuth = { values: CredentialHeader[] } & CredentialScheme

export type CredentialScheme =
  /** Requests are signed anew (Signature Version 4) with `access_key_id` and `secret_access_key` */
  | { type: 'aws' }
  /** Requests have a bearer token that is got with the key of `service_account`, its JSON, for these OAuth scopes */
  | { type: 'google'; scopes: string[] }
  /** Requests to a storage account's endpoints are signed with its `account_key` (Shared Key) */
  | { type: 'azure_key'; account: string }
  /** Requests to a storage account's endpoints have `sas_token` in their query */
  | { type: 'azure_sas'; account: string }
  /**
   * Over TLS alone: where a request's target, headers or Basic credentials have the name of a value, the value takes its place.
   * Names may be known inside
   */
  | { type: 'placeholders' }
  | CredentialIdentity
  | CredentialCallback

/**
 * The server tells a cloud who the sandbox is with an OpenID Connect token of its own, and is given what goes into requests: nothing
 * secret is stored. The token's subject is `team:ID`, and `:` with `subject` behind it if that is given. No values.
 */
export type CredentialIdentity = { subject?: string | undefined } & (
  | {
      /** Requests are signed with the keys of an IAM role, by its ARN (AssumeRoleWithWebIdentity) */
      type: 'aws_role'
      role: string
      /** For the role's own policies */
      sessionTags: Record<string, string>
    }
  | {
      /** A bearer token by Workload Identity Federation */
      type: 'google_identity'
      /** `//iam.googleapis.com/projects/…/providers/…` */
      provider: string
      /** Address of the service account whose token it is; `null` for the federated identity's own */
      serviceAccount: string | null
      scopes: string[]
    }
  | {
      /** A bearer token of Entra ID, for the resource that the host belongs to */
      type: 'azure_identity'
      /** Of the directory and of the application: GUIDs */
      tenant: string
      client: string
      resources: AzureResource[]
    }
  | {
      /** Headers with the server's own tokens, for services that take these as they are */
      type: 'identity'
      /** Audience of each token, by its name */
      audiences: Record<string, string>
      /** Each `{NAME}` stands for the token of that name */
      tokenHeaders: { name: string; template: string }[]
    }
)

export type AzureResource = 'storage' | 'vault' | 'management' | 'cognitive_services'

/**
 * What goes into requests is asked of a web service, with `values` as headers of the question. Counts only for hosts that no rule of
 * another kind names.
 */
export interface CredentialCallback {
  type: 'callback'
  url: string
  /** Milliseconds that an answer is used for requests to the same host and port */
  ttlMs: number
  /** The question has the request that it is for, and is asked for each */
  wholeRequest: boolean
  /** Header of the question that holds a JSON Web Token of this server, and what that is the token's subject */
  signature: { header: string; subject: string }
}
