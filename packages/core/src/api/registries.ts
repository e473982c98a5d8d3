import type { Principal } from '../api.ts'
import type { Registry } from '../model.ts'
import type { Page, PageRequest } from '../ports/index.ts'

export interface CreateRegistryRequest {
  /** Unique among the team's; `[A-Za-z0-9][A-Za-z0-9._-]{0,127}` */
  name: string
  /** `[https://]HOST[:PORT][/PREFIX]`, or `http://…` for one without TLS */
  url: string
  username?: string | undefined
  /** Stored sealed, and never given out */
  password?: string | undefined
}

export interface UpdateRegistryRequest {
  name?: string | undefined
  url?: string | undefined
  username?: string | null | undefined
  password?: string | null | undefined
}

export interface RegistriesApi {
  create(by: Principal, request: CreateRegistryRequest): Promise<Registry>
  /** By id or name. */
  get(by: Principal, ref: string): Promise<Registry>
  list(by: Principal, filter: { nameContains?: string | undefined }, page: PageRequest): Promise<Page<Registry>>
  /** What is absent stays as it is; a new address without a new password forgets the password. */
  update(by: Principal, ref: string, request: UpdateRegistryRequest): Promise<Registry>
  /** Images that came from it stay. */
  delete(by: Principal, ref: string): Promise<void>
}
