/**
 * Headers that the server puts into requests to named hosts after these have left the sandbox: what is secret in them is never
 * inside. Of several rules that fit a request the first counts.
 */
export interface CredentialRule {
  name: string
  enabled: boolean
  /** What it is for, in words */
  description?: string | undefined
  /** Host names, or `*.name` for all below it; over HTTP on port 80 and TLS on port 443 */
  hosts: string[]
  /** On this one alone; absent for both */
  port?: 80 | 443 | undefined
  /** Its headers, none secret, go into requests to all hosts that other rules name; it names none */
  everywhere?: boolean | undefined
  /** A whole path, `/prefix/*`, `*` before `/suffix`, or `*`, without the query; none for all */
  paths: string[]
  /** The request must have all of these, with these values */
  matchHeaders: { name: string; value: string }[]
  /** In place of what the request has under these names; `value` is `null` for a secret, `template` refers to secrets of the team */
  headers: ShownCredentialValue[]
  rewrite?: CredentialRewrite | undefined
  /** Another way to give requests their credential */
  auth?: (CredentialScheme & { values: ShownCredentialValue[] }) | undefined
  /** For the sandbox's processes, under its own variables; not secret */
  env: Record<string, string>
}

export interface SetCredentialRule {
  /** Unique among the sandbox's */
  name: string
  /** Default true */
  enabled?: boolean | undefined
  description?: string | undefined
  /** None for all of the service that `auth` is for, and with `everywhere` */
  hosts: string[]
  /** Default both */
  port?: 80 | 443 | undefined
  /** Default false */
  everywhere?: boolean | undefined
  paths?: string[] | undefined
  matchHeaders?: { name: string; value: string }[] | undefined
  headers: SetCredentialValue[]
  /** Not together with `auth` */
  rewrite?: CredentialRewrite | undefined
  /** Another way to give requests their credential */
  auth?: (CredentialScheme & { values: SetCredentialValue[] }) | undefined
  env?: Record<string, string> | undefined
}

/** Where requests go instead of to the rule's hosts: another, over TLS. */
export interface CredentialRewrite {
  /** On a private network only where the operator allows it */
  host: string
  port: number
  /** What becomes of credentials that the sandbox sends (`Authorization`, `Cookie` and their kin): taken out, made unreadable, or left */
  guestCredentials: 'strip' | 'redact' | 'keep'
}

export interface ShownCredentialValue {
  name: string
  value: string | null
  template?: string | undefined
  secret: boolean
}

export interface SetCredentialValue {
  name: string
  /** Absent for a secret that the rule of this name and these hosts has already */
  value?: string | undefined
  /** Instead of `value`: text in which each `{NAME}` stands for a secret of the team */
  template?: string | undefined
  /** Never told to anybody again; default true */
  secret?: boolean | undefined
}

export type CredentialScheme =
  /** Signed anew (Signature Version 4); values `access_key_id` and `secret_access_key` */
  | { type: 'aws' }
  /** A bearer token for OAuth scopes; value `service_account`, its JSON */
  | { type: 'google'; scopes: string[] }
  /** Signed for a storage account's endpoints (Shared Key); value `account_key` */
  | { type: 'azure_key'; account: string }
  /** A shared access signature in the query, for a storage account's endpoints; value `sas_token` */
  | { type: 'azure_sas'; account: string }
  /**
   * Over TLS alone: where a request's target, headers or Basic credentials have the name of a value, the value takes its place.
   * Names are 16 to 128 letters, digits, `_` and `-`; processes may know them, see `env`.
   */
  | { type: 'placeholders' }
  | {
      /** Headers with the server's own tokens, for services that trust it; the subject is `spiffe://SERVER/team/ID` */
      type: 'identity'
      /** Of each token, by its name */
      audiences: Record<string, string>
      /** Each `{NAME}` stands for the token of that name */
      tokenHeaders: { name: string; template: string }[]
      subject?: string | undefined
    }
  /**
   * Signed with the keys of an IAM role, a bearer token of Google or one of Entra ID: by a token that says who the sandbox is, of a
   * server that these trust. No values. The token's subject is `team:ID`, or `team:ID:SUBJECT`.
   */
  | { type: 'aws_role'; role: string; sessionTags: Record<string, string>; subject?: string | undefined }
  | {
      type: 'google_identity'
      provider: string
      serviceAccount: string | null
      scopes: string[]
      subject?: string | undefined
    }
  | {
      type: 'azure_identity'
      tenant: string
      client: string
      resources: ('storage' | 'vault' | 'management' | 'cognitive_services')[]
      subject?: string | undefined
    }
  /**
   * What a web service says, for hosts of no other rule; the values are headers of the question. The question is signed, in the
   * named header, with the key at `/.well-known/jwks.json`.
   */
  | {
      type: 'callback'
      url: string
      /** Milliseconds that an answer is used for a host */
      ttlMs: number
      /** The question has the request, and is asked for each */
      wholeRequest: boolean
      signature: { header: string; subject: string }
    }
