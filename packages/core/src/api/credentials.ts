import type { CredentialRewrite, CredentialRule, CredentialScheme, Env } from '../model.ts'

export interface CredentialRuleRequest {
  name: string
  /** Default true */
  enabled?: boolean | undefined
  /** At most 1024 characters */
  description?: string | undefined
  /** None with an `auth` that has hosts of its own, see `authHosts`, and with `everywhere` */
  hosts: string[]
  /** Default both */
  port?: CredentialRule['port']
  /** Default false */
  everywhere?: boolean | undefined
  /** Default all */
  paths?: string[] | undefined
  /** Default none */
  matchHeaders?: { name: string; value: string }[] | undefined
  headers: CredentialHeaderRequest[]
  rewrite?: CredentialRewrite | undefined
  auth?: (CredentialScheme & { values: CredentialHeaderRequest[] }) | undefined
  env?: Env | undefined
}

export interface CredentialHeaderRequest {
  name: string
  /** Absent for a secret that the rule of the same name and hosts has already: it keeps it */
  value?: string | undefined
  /** Instead of `value`: text in which each `{NAME}` stands for a secret of the team, see `SecretsApi` */
  template?: string | undefined
  /** Never told to anybody again; default true */
  secret?: boolean | undefined
}

/** A rule as it may be shown: `value` is `null` for what is secret, `template` is there where it refers to secrets. */
export interface ShownCredentialRule extends Omit<CredentialRule, 'headers' | 'auth'> {
  headers: ShownCredentialHeader[]
  auth?: (CredentialScheme & { values: ShownCredentialHeader[] }) | undefined
}

export interface ShownCredentialHeader {
  name: string
  value: string | null
  template?: string | undefined
  secret: boolean
}
