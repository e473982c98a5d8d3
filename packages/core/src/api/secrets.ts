import type { Principal } from '../api.ts'
import type { Labels, Secret } from '../model.ts'
import type { Page, PageRequest } from '../ports/index.ts'

export interface SetSecretRequest {
  /** 1 to 16,384 visible ASCII characters, spaces between them: it goes into headers */
  value: string
  /** The only hosts that it may be sent to, as in a credential rule; default all */
  hosts?: string[] | undefined
  /** Default: those that it has, else none */
  labels?: Labels | undefined
  /** Whether there must be one of this name already: `false` rejects `name_taken`, `true` `not_found`; default either */
  exists?: boolean | undefined
}

/** What rules of sandboxes put into requests as `{NAME}`. Values go in and never come out. */
export interface SecretsApi {
  /**
   * Makes it, or gives it another value and other hosts: who may send it elsewhere knows it. `name` is
   * `[A-Za-z_][A-Za-z0-9_.-]{0,127}`. Sandboxes that use it do so with the new value at once.
   */
  set(by: Principal, name: string, request: SetSecretRequest): Promise<Secret>
  /** By name or id. */
  get(by: Principal, ref: string): Promise<Secret>
  /** Newest first. */
  list(by: Principal, filter: { nameContains?: string | undefined }, page: PageRequest): Promise<Page<Secret>>
  /** Requests that need it are refused from now on. */
  delete(by: Principal, ref: string): Promise<void>
}
