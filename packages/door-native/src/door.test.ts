import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { type DoorWorld, jsonOf, openDoorWorld } from './testing/door-world.ts'

let world: DoorWorld
beforeAll(async () => {
  world = await openDoorWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

describe('access', () => {
  it('lets nothing but the documents through without a key', async () => {
    const document = await jsonOf(await fetch(`${world.url}/v1/openapi.json`))
    const open: string[] = []
    for (const [path, item] of Object.entries(document.paths as Record<string, object>)) {
      for (const method of Object.keys(item)) {
        const url = world.url + path.replaceAll(/\{\w+\}/g, '1')
        const response = await fetch(url, { method: method.toUpperCase() })
        if (response.status !== 401) open.push(`${method} ${path} ${response.status}`)
        else if (method !== 'head')
          expect(await jsonOf(response)).toMatchObject({ code: 'unauthenticated', status: 401 })
      }
    }
    expect(open).toEqual([])
    expect((await fetch(`${world.url}/v1/docs`)).status).toBe(200)
  })

  it('takes the key in either header, with any prefix', async () => {
    const hex = world.key.slice(-64)
    for (const headers of [
      { authorization: `bearer ${world.key}` },
      { 'x-api-key': world.key },
      { 'x-api-key': `e2b_${hex}` },
    ]) {
      expect((await fetch(`${world.url}/v1/team`, { headers: headers as Record<string, string> })).status).toBe(200)
    }
  })

  it.each([
    ['unknown', 'f'.repeat(64)],
    ['short', 'sp_12'],
    ['very long', 'f'.repeat(8000)],
  ])('refuses a key that is %s', async (_, key) => {
    const response = await fetch(`${world.url}/v1/team`, { headers: { 'x-api-key': key } })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Bearer')
    expect(await response.text()).not.toContain(key)
  })

  it('refuses before it reads a body', async () => {
    const response = await fetch(`${world.url}/v1/sandboxes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{',
    })
    expect(response.status).toBe(401)
  })
})

describe('refusals', () => {
  it('names what it does not know', async () => {
    const response = await world.get('/nonsense?x=1')
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toContain('application/problem+json')
    expect(await jsonOf(response)).toMatchObject({
      code: 'not_found',
      context: { resource: 'route', ref: '/v1/nonsense' },
    })
  })

  it('says a problem in full', async () => {
    const response = await world.get('/sandboxes/nobody')
    const problem = await jsonOf(response)
    expect(problem).toEqual({
      type: '/v1/docs#error-not_found',
      title: 'Not found',
      status: 404,
      code: 'not_found',
      detail: 'No such sandbox: nobody',
      context: { resource: 'sandbox', ref: 'nobody' },
      requestId: response.headers.get('x-request-id'),
    })
  })

  it.each([
    ['an unknown field', '/sandboxes', { image: 'base', nam: 'x' }, 'body.nam'],
    [
      'an unknown field further in',
      '/sandboxes',
      { image: 'base', network: { internett: true } },
      'body.network.internett',
    ],
    ['neither source', '/sandboxes', {}, 'body'],
    ['both sources', '/sandboxes', { image: 'base', snapshot: 'x' }, 'body'],
    ['a bad name', '/sandboxes', { image: 'base', name: '-x' }, 'body.name'],
    ['a CIDR that is none', '/sandboxes', { image: 'base', network: { deny: ['10.0.0.0/99'] } }, 'body.network.deny.0'],
    [
      'a timeout of the wrong type',
      '/sandboxes',
      { image: 'base', timeout: { timeoutMs: '5' } },
      'body.timeout.timeoutMs',
    ],
    ['too many labels', '/sandboxes', { image: 'base', labels: many(65, 'v') }, 'body.labels'],
    ['too many variables', '/sandboxes', { image: 'base', env: many(257, 'v') }, 'body.env'],
    ['a variable too long', '/sandboxes', { image: 'base', env: { A: 'x'.repeat(32 * 1024 + 1) } }, 'body.env.A'],
    ['a NUL in a variable', '/sandboxes', { image: 'base', env: { A: '\0' } }, 'body.env.A'],
    ['an unknown query parameter', '/sandboxes?wiat=false', { image: 'base' }, 'query.wiat'],
    ['a flag that is none', '/sandboxes?wait=maybe', { image: 'base' }, 'query.wait'],
    ['an array for an object', '/sandboxes', [], 'body'],
    ['null for an object', '/keys', 'x', 'body'],
  ])('names %s', async (_, path, body, issue) => {
    const response = await world.post(path, body)
    const problem = await jsonOf(response)
    expect(response.status).toBe(400)
    expect(problem.code).toBe('invalid_argument')
    expect(problem.context.issues.map((one: { path: string }) => one.path)).toContain(issue)
  })

  it.each([
    ['/sandboxes?limit=0', 'query.limit'],
    ['/sandboxes?limit=501', 'query.limit'],
    ['/sandboxes?limit=1e2', 'query.limit'],
    ['/sandboxes?state=asleep', 'query.state.0'],
    ['/sandboxes?label=nocolon', 'query.label.0'],
    ['/team?x=1', 'query.x'],
  ])('names what is wrong with %s', async (path, issue) => {
    const response = await world.get(path)
    expect(response.status).toBe(400)
    expect((await jsonOf(response)).context.issues[0].path).toBe(issue)
  })

  it('refuses a cursor that is not its own', async () => {
    expect(await jsonOf(await world.get('/sandboxes?cursor=made-up'))).toMatchObject({
      code: 'invalid_argument',
      status: 400,
    })
  })

  it('refuses a body that is too large, not JSON, poisoned, or of another type', async () => {
    const type = { 'content-type': 'application/json' }
    const large = await world.post('/sandboxes', { image: 'base', name: 'x'.repeat(10_000_000) })
    expect([large.status, (await jsonOf(large)).code]).toEqual([413, 'payload_too_large'])
    const broken = await world.call('POST', '/sandboxes', { headers: type, body: '{"image":' })
    expect([broken.status, (await jsonOf(broken)).code]).toEqual([400, 'invalid_argument'])
    const poisoned = await world.call('POST', '/sandboxes', { headers: type, body: '{"__proto__":{"image":"base"}}' })
    expect([poisoned.status, (await jsonOf(poisoned)).code]).toEqual([400, 'invalid_argument'])
    const nothing = await world.call('PATCH', '/team', { headers: type, body: 'null' })
    expect([nothing.status, (await jsonOf(nothing)).code]).toEqual([400, 'invalid_argument'])
    const form = await world.call('POST', '/sandboxes', { body: new URLSearchParams({ image: 'base' }) })
    expect([form.status, (await jsonOf(form)).detail]).toEqual([
      415,
      'Send the body with "Content-Type: application/json"',
    ])
  })

  it('takes a name of the greatest length in a path and refuses a longer one', async () => {
    for (const ref of [`${'n'.repeat(128)}@${'a'.repeat(24)}`, `${'n'.repeat(128)}:${'t'.repeat(128)}`]) {
      expect(await jsonOf(await world.get(`/snapshots/${ref}`))).toMatchObject({ code: 'not_found' })
    }
    expect((await world.get(`/snapshots/${'n'.repeat(401)}`)).status).toBe(400)
    expect((await world.get(`/sandboxes/${'n'.repeat(161)}`)).status).toBe(400)
    expect((await world.get(`/snapshots/${'n'.repeat(1000)}`)).status).toBe(414)
  })

  it('keeps what broke to itself', async () => {
    world.host.faults.failNext('ledger.read', new Error('secret connection string'))
    const response = await world.get('/images')
    const text = await response.text()
    expect(response.status).toBe(500)
    expect(text).not.toContain('secret')
    expect(JSON.parse(text)).toMatchObject({ code: 'internal', context: {} })
    expect(world.failures.at(-1)).toMatchObject({ requestId: JSON.parse(text).requestId })
    world.failures.length = 0
  })
})

describe('documents', () => {
  it('describes every route, code and schema it refers to', async () => {
    const text = await (await fetch(`${world.url}/v1/openapi.json`)).text()
    const document = JSON.parse(text)
    expect(document.openapi).toBe('3.1.0')
    expect(document.info.version).toBe('1.2.3')
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, id]) => id)
    expect(references.length).toBeGreaterThan(100)
    for (const id of references) expect(document.components.schemas).toHaveProperty([id as string])
    expect(text).not.toContain('$defs')
    const [first] = document.paths['/v1/events'].get.parameters
    expect(first).toMatchObject({ name: 'cursor', description: expect.stringContaining('to come') })
    const { failure } = document.components.schemas.Sandbox.properties
    expect(failure.description).toBe('Why it is not running though nobody asked for it')
    const operations = Object.values(document.paths).flatMap((item) => Object.values(item as object))
    const ids = operations.map((operation) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const operation of operations) {
      expect(operation.responses).toHaveProperty('401')
      expect(document.tags.map((tag: { name: string }) => tag.name)).toContain(operation.tags[0])
    }
    expect(Object.keys(document['x-error-codes'])).toEqual(document.components.schemas.Problem.properties.code.enum)
  })

  it('gives examples that its own schemas accept', async () => {
    const { components } = await import('./schemas/index.ts')
    let examples = 0
    for (const schema of components._idmap.values() as Iterable<z.ZodType>) {
      for (const example of components.get(schema)?.examples ?? []) {
        const result = schema.safeParse(example)
        expect(result.error?.issues).toBeUndefined()
        examples += 1
      }
    }
    expect(examples).toBeGreaterThan(20)
  })

  it('is readable without scripts', async () => {
    const response = await fetch(`${world.url}/v1/docs`)
    const page = await response.text()
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(page).not.toMatch(/<script|https?:\/\//)
    for (const id of ['createSandbox', 'error-capture_refused', 'schema-Receipt']) expect(page).toContain(`id="${id}"`)
    const anchors = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id)
    for (const anchor of anchors) expect(page).toContain(`id="${anchor}"`)
  })
})

function many(count: number, value: string): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, value]))
}
