import type { CreateRegistryRequest, Principal, RegistriesApi, UpdateRegistryRequest } from '../api.ts'
import { invalidArgument, notFound, SpawnpointError } from '../errors.ts'
import { isId, newId, type RegistryId } from '../ids.ts'
import { normalRegistryHost, type RegistryReference } from '../image-reference.ts'
import type { Registry } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { RegistryAccess } from '../ports/index.ts'
import { checkPassword, checkUsername } from './checks.ts'
import { checkName, isName } from './refs.ts'
import { Seal } from './seal.ts'

/** Of one team */
const MAX_REGISTRIES = 100

export class Registries implements RegistriesApi {
  readonly #parts: Parts
  readonly #seal: Seal

  constructor(parts: Parts) {
    this.#parts = parts
    this.#seal = new Seal(parts.config.secret, 'registry password')
  }

  async create(by: Principal, request: CreateRegistryRequest): Promise<Registry> {
    const now = this.#parts.clock.now()
    const registry: Registry = {
      id: newId<RegistryId>(),
      teamId: by.teamId,
      name: request.name,
      url: normalUrl(request.url),
      username: request.username ?? null,
      createdAt: now,
      updatedAt: now,
    }
    check(registry, request.password)
    const sealedPassword = this.#sealed(registry, request.password ?? null)
    await this.#parts.ledger.transact(async (tx) => {
      // Those that are made at the same time count, too.
      await tx.lockTeam(by.teamId)
      const { items } = await tx.registries({ teamId: by.teamId }, { limit: MAX_REGISTRIES })
      if (items.length >= MAX_REGISTRIES) {
        throw new SpawnpointError('limit_exceeded', `A team has at most ${MAX_REGISTRIES} registries`, {
          limit: 'registries',
          allowed: MAX_REGISTRIES,
          asked: items.length + 1,
        })
      }
      await tx.putRegistry(registry, sealedPassword)
    })
    return registry
  }

  async get(by: Principal, ref: string): Promise<Registry> {
    return this.#find(by, ref)
  }

  list: RegistriesApi['list'] = (by, filter, page) =>
    this.#parts.ledger.read.registries({ ...filter, teamId: by.teamId }, page)

  async update(by: Principal, ref: string, request: UpdateRegistryRequest): Promise<Registry> {
    const { id } = await this.#find(by, ref)
    return this.#parts.ledger.transact(async (tx) => {
      const registry = await tx.lockRegistry(id)
      if (registry === null) throw notFound('registry', ref)
      const url = request.url === undefined ? registry.url : normalUrl(request.url)
      const next: Registry = {
        ...registry,
        name: request.name ?? registry.name,
        url,
        username: request.username === undefined ? registry.username : request.username,
        updatedAt: this.#parts.clock.now(),
      }
      check(next, request.password)
      // A password is for the place it was given for: who may change the address need not know it.
      const kept = url === registry.url && next.username !== null ? await tx.sealedPassword(id) : null
      await tx.putRegistry(next, request.password === undefined ? kept : this.#sealed(next, request.password))
      return next
    })
  }

  async delete(by: Principal, ref: string): Promise<void> {
    const { id } = await this.#find(by, ref)
    await this.#parts.ledger.transact((tx) => tx.deleteRegistry(id))
  }

  /**
   * As whom an image is asked for: of the registry that `ref` names, else of the one that fits, else as nobody. Rejects
   * `invalid_argument` if the image is elsewhere: a password is not sent to another address than its own.
   */
  async accessTo(
    by: Principal,
    image: RegistryReference,
    ref: string | undefined,
  ): Promise<{ access: RegistryAccess; registry: Registry } | null> {
    const registry = ref === undefined ? await this.#fitting(by, image) : await this.#find(by, ref)
    if (registry === null) return null
    if (!fits(registry, image)) {
      throw invalidArgument('registry', `${registry.name} is at ${registry.url}, the image is not`)
    }
    const sealedPassword = await this.#parts.ledger.read.sealedPassword(registry.id)
    const password = sealedPassword === null ? null : this.#seal.open(subjectOf(registry), sealedPassword)
    if (sealedPassword !== null && password === null) {
      const reason = `the password of registry ${registry.name} was sealed with another secret; set it again`
      throw new SpawnpointError('unavailable', reason, { reason })
    }
    const plainHttp = registry.url.startsWith('http://')
    return { registry, access: { plainHttp, username: registry.username, password } }
  }

  async #fitting(by: Principal, image: RegistryReference): Promise<Registry | null> {
    const { items } = await this.#parts.ledger.read.registries({ teamId: by.teamId }, { limit: MAX_REGISTRIES })
    const fitting = items.filter((registry) => fits(registry, image))
    return fitting.sort((a, b) => b.url.length - a.url.length)[0] ?? null
  }

  async #find(by: Principal, ref: string): Promise<Registry> {
    const { read } = this.#parts.ledger
    const byId = isId(ref) ? await read.registry(ref as RegistryId) : null
    if (byId?.teamId === by.teamId) return byId
    if (isName(ref)) {
      const { items } = await read.registries({ teamId: by.teamId, name: ref }, { limit: 1 })
      if (items[0] !== undefined) return items[0]
    }
    throw notFound('registry', ref)
  }

  #sealed(registry: Registry, password: string | null): string | null {
    return password === null ? null : this.#seal.seal(subjectOf(registry), password)
  }
}

function subjectOf({ id, teamId }: Registry): string {
  return `${teamId} ${id}`
}

function check({ name, username }: Registry, password: string | null | undefined): void {
  checkName('name', name)
  if (username !== null) checkUsername('username', username)
  if (password === undefined || password === null) return
  if (username === null) throw invalidArgument('username', 'missing; a password is of somebody')
  checkPassword('password', password)
}

/** Asked without TLS unless told, as pulls that no stored registry fits do. */
const OWN_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?(?:\/|$)/i

/** As it is kept and compared: with a scheme, the host in lower case, without what Docker's own tools append. */
function normalUrl(given: string): string {
  const text = given.trim()
  const scheme = OWN_HOST.test(text) ? 'http' : 'https'
  const url = URL.parse(text.includes('://') ? text : `${scheme}://${text}`)
  if (url === null || !['https:', 'http:'].includes(url.protocol) || url.host === '' || text.length > 512)
    throw invalidArgument('url', 'not an address: [https://]HOST[:PORT][/PREFIX]')
  if (url.username !== '' || url.password !== '')
    throw invalidArgument('url', 'has a user or password in it; they have fields of their own')
  if (url.search !== '' || url.hash !== '') throw invalidArgument('url', 'has a query or fragment')
  const prefix = url.pathname.replace(/^\/v[12](?=\/|$)/, '').replace(/\/+$/, '')
  if (!/^(?:\/[a-z0-9._-]+)*$/.test(prefix)) throw invalidArgument('url', 'not the beginning of a repository')
  return `${url.protocol}//${normalRegistryHost(url.host)}${prefix}`
}

/** Whether the image is at the registry's address, below its prefix if it has one. */
function fits({ url }: Registry, { registry, repository }: RegistryReference): boolean {
  const [, host, prefix = ''] = /^https?:\/\/([^/]+)(?:\/(.*))?$/.exec(url) ?? []
  return host === registry && (prefix === '' || `${repository}/`.startsWith(`${prefix}/`))
}
