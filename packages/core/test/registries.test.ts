import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Core, type Principal, parseImageReference, type RegistryReference, type TeamId } from '../src/index.ts'
import type { Registries } from '../src/services/registries.ts'
import { Seal } from '../src/services/seal.ts'
import { World } from './world.ts'

let world: World
let core: Core
let registries: Registries
beforeEach(async () => {
  world = new World()
  core = await world.server()
  registries = core.registries
})
afterEach(() => core.close())

const at = (text: string) => parseImageReference(text) as RegistryReference
const access = (image: string, ref?: string) => registries.accessTo(world.by, at(image), ref)
const ours = { name: 'ours', url: 'registry.example', username: 'ci', password: 'wonderland' }
const other: Principal = { teamId: 'f'.repeat(24) as TeamId, keyId: null }

describe('a stored registry', () => {
  it('opens its address for its team, and nobody else', async () => {
    const { id } = await registries.create(world.by, ours)
    const opened = { plainHttp: false, username: 'ci', password: 'wonderland' }
    expect(await access('registry.example/a')).toMatchObject({ registry: { id }, access: opened })
    expect(await access('registry.example/a', 'ours')).toMatchObject({ access: opened })
    expect(await access('registry.example/a', id)).toMatchObject({ access: opened })
    expect(await access('registry.example:444/a')).toBeNull()
    expect(await access('sub.registry.example/a')).toBeNull()
    await expect(access('elsewhere.example/a', 'ours')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(access('registry.example/a', 'theirs')).rejects.toMatchObject({ code: 'not_found' })
    expect(await registries.accessTo(other, at('registry.example/a'), undefined)).toBeNull()
    await expect(registries.accessTo(other, at('registry.example/a'), id)).rejects.toMatchObject({ code: 'not_found' })
    await expect(registries.get(other, id)).rejects.toMatchObject({ code: 'not_found' })
    expect((await registries.list(other, {}, { limit: 10 })).items).toEqual([])
  })

  it('with a prefix opens what is below it, and goes before one without', async () => {
    await registries.create(world.by, ours)
    await registries.create(world.by, { ...ours, name: 'team', url: 'registry.example/team', username: 'team' })
    expect(await access('registry.example/team/app')).toMatchObject({ access: { username: 'team' } })
    expect(await access('registry.example/teams/app')).toMatchObject({ access: { username: 'ci' } })
    await expect(access('registry.example/teams/app', 'team')).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it.each([
    ['https://index.docker.io/v1/', 'https://docker.io', 'alpine'],
    ['docker.io', 'https://docker.io', 'docker.io/library/alpine'],
    ['HTTPS://GHCR.io/', 'https://ghcr.io', 'ghcr.io/a'],
    ['localhost:5000', 'http://localhost:5000', 'localhost:5000/a'],
    ['https://localhost:5000', 'https://localhost:5000', 'localhost:5000/a'],
    ['127.0.0.1:5000/team', 'http://127.0.0.1:5000/team', '127.0.0.1:5000/team/a'],
    ['127.0.0.1.example', 'https://127.0.0.1.example', '127.0.0.1.example/a'],
    ['http://10.0.0.1:5000/v2', 'http://10.0.0.1:5000', '10.0.0.1:5000/a'],
    ['https://registry.example:443', 'https://registry.example', 'registry.example/a'],
  ])('may be written %s', async (given, url, image) => {
    expect(await registries.create(world.by, { ...ours, url: given })).toMatchObject({ url })
    expect(await access(image)).toMatchObject({ access: { plainHttp: url.startsWith('http:'), username: 'ci' } })
  })

  it.each([
    [{ url: '' }, 'url'],
    [{ url: 'ftp://host' }, 'url'],
    [{ url: 'https://user:pass@host' }, 'url'],
    [{ url: 'https://host?x=y' }, 'url'],
    [{ url: 'https://host/../x y' }, 'url'],
    [{ name: 'a b' }, 'name'],
    [{ username: 'a:b' }, 'username'],
    [{ username: '' }, 'username'],
    [{ password: 'line\nbreak' }, 'password'],
  ])('cannot have %j', async (wrong, path) => {
    const made = registries.create(world.by, { ...ours, ...wrong })
    await expect(made).rejects.toMatchObject({ code: 'invalid_argument', context: { issues: [{ path }] } })
    await expect(registries.create(world.by, { name: 'x', url: 'a.b', password: 'x' })).rejects.toMatchObject({
      context: { issues: [{ path: 'username' }] },
    })
  })

  it('forgets its password when it gets another address, and keeps it otherwise', async () => {
    const { id } = await registries.create(world.by, ours)
    await registries.update(world.by, id, { name: 'renamed' })
    expect(await access('registry.example/a')).toMatchObject({ access: { password: 'wonderland' } })
    await registries.update(world.by, id, { url: 'http://registry.example' })
    expect(await access('registry.example/a')).toMatchObject({ access: { plainHttp: true, password: null } })
    await registries.update(world.by, id, { password: 'another' })
    expect(await access('registry.example/a')).toMatchObject({ access: { password: 'another' } })
    await registries.update(world.by, id, { username: null })
    expect(await access('registry.example/a')).toMatchObject({ access: { username: null, password: null } })
    await registries.delete(world.by, 'renamed')
    expect(await access('registry.example/a')).toBeNull()
    await expect(registries.update(world.by, id, {})).rejects.toMatchObject({ code: 'not_found' })
  })

  it('is kept sealed: not in the ledger in the clear, and opened by no other secret', async () => {
    const { id } = await registries.create(world.by, ours)
    const stored = world.host.ledger.committed.sealedPasswords.get(id)
    expect(Buffer.from(stored ?? '', 'base64').toString('latin1')).not.toContain('wonderland')
    const elsewhere = await world.server({ secret: Buffer.alloc(32, 9) })
    await using _ = { [Symbol.asyncDispose]: () => elsewhere.close() }
    await expect(elsewhere.registries.accessTo(world.by, at('registry.example/a'), undefined)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('set it again'),
    })
  })

  it('is one of at most a hundred', async () => {
    for (let n = 0; n < 100; n += 1) await registries.create(world.by, { name: `r${n}`, url: `r${n}.example` })
    await expect(registries.create(world.by, ours)).rejects.toMatchObject({ code: 'limit_exceeded' })
  })
})

describe('a pull', () => {
  const pull = async (reference: string, more: object = {}) =>
    (await core.images.build(world.by, { name: 'pulled', source: { type: 'oci', reference }, ...more })).done

  it('is of the stored registry that fits, or the one that is named, and records which', async () => {
    const { id } = await registries.create(world.by, ours)
    const pulled = { type: 'oci', digest: expect.stringMatching(/^sha256:/) }
    expect((await pull('registry.example/a')).source).toEqual({
      ...pulled,
      reference: 'registry.example/a',
      registryId: id,
    })
    expect((await pull('alpine')).source).toEqual({ ...pulled, reference: 'alpine' })
    const credentials = { username: 'a', password: 'b' }
    const own = await pull('registry.example/a', { credentials })
    expect(own.source).toEqual({ ...pulled, reference: 'registry.example/a' })
    for (const more of [{ registry: 'ours', credentials }, { registry: 'ours' }]) {
      await expect(pull('alpine', more)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
    await expect(pull('oci:layout', { registry: 'ours' })).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('leaves no password anywhere', async () => {
    await registries.create(world.by, ours)
    await pull('registry.example/a')
    await pull('alpine', { credentials: { username: 'a', password: 'queen-of-hearts' } })
    const { ledger } = world.host
    const all = JSON.stringify(ledger.committed, (_key, value) => (value instanceof Map ? [...value] : value))
    expect(all).toContain('registry.example')
    expect(all).not.toMatch(/wonderland|queen-of-hearts/)
  })
})

describe('a seal', () => {
  const seal = new Seal(Buffer.alloc(32, 1), 'test')

  it('opens for its subject only, and not when it was touched', () => {
    const sealed = seal.seal('a', 'wonderland')
    expect(seal.open('a', sealed)).toBe('wonderland')
    expect(seal.open('b', sealed)).toBeNull()
    expect(new Seal(Buffer.alloc(32, 1), 'other').open('a', sealed)).toBeNull()
    expect(new Seal(Buffer.alloc(32, 2), 'test').open('a', sealed)).toBeNull()
    const bytes = Buffer.from(sealed, 'base64')
    for (let at = 0; at < bytes.length; at += 1) {
      const touched = Buffer.from(bytes)
      touched[at] = (touched[at] ?? 0) ^ 1
      expect(seal.open('a', touched.toString('base64'))).toBeNull()
    }
    expect(seal.open('a', '')).toBeNull()
    expect(seal.open('a', 'AQ==')).toBeNull()
  })

  it('is another each time, of any text', () => {
    expect(seal.seal('a', 'x')).not.toBe(seal.seal('a', 'x'))
    for (const text of ['', 'å🚀', 'x'.repeat(20_000)]) expect(seal.open('a', seal.seal('a', text))).toBe(text)
  })
})
