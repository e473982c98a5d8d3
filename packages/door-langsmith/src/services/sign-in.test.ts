import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const page = { 'x-api-key': '', accept: 'text/html', 'sec-fetch-mode': 'navigate' }
/** Nothing listens in these boxes: whoever is let in learns that. */
const LET_IN = 502

async function keyOf(scopes: ('read' | 'write')[], member?: string) {
  return world.core.keys.create(world.by, { name: scopes.join('-'), scopes, ...(member ? { member } : {}) })
}

async function shared(access: string, more: object = {}) {
  const { id } = await world.box()
  const share = (given: object) => world.post(`/boxes/${id}/service-url`, { port: 8080, ...given })
  const { status, body } = await share({ access, ...more })
  expect(status).toBe(200)
  const visit = (headers: Record<string, string>, path = '/a?b=c') =>
    world.send('GET', `${body.service_url}${path}`, { headers: { ...page, ...headers } })
  const signIn = async (key: string) => {
    const at = (await visit({})).headers.get('location') ?? ''
    const redirect = new URL(at).searchParams.get('redirect') ?? ''
    return world.send('POST', at, {
      headers: { 'x-api-key': '', 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ key, redirect }).toString(),
    })
  }
  /** The cookie that a browser has in the end */
  const cookieOf = async (key: string) => {
    const signed = await signIn(key)
    const opened = await world.send('GET', signed.headers.get('location') ?? '', { headers: page })
    return { opened, cookie: opened.headers.get('set-cookie')?.split(';', 1)[0] ?? '' }
  }
  return { id, body, share, visit, signIn, cookieOf }
}

it('lets in who signs in with a key of the team, until the port is not shared any more', async () => {
  const { id, body, visit, signIn, cookieOf } = await shared('workspace')
  expect(body).toEqual({ browser_url: body.service_url, service_url: body.service_url, access: 'workspace' })
  const asked = await visit({})
  expect([asked.status, new URL(asked.headers.get('location') ?? '').searchParams.get('redirect')]).toEqual([
    302,
    '/a?b=c',
  ])
  const form = await world.send('GET', asked.headers.get('location') ?? '', { headers: page })
  expect([form.status, form.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
  expect(form.body).toContain('value="/a?b=c"')
  expect(form.headers.get('content-security-policy')).toContain("frame-ancestors 'self'")
  const wrong = await signIn('sp_0')
  expect([wrong.status, wrong.headers.get('location')]).toEqual([401, null])
  expect(wrong.body).toContain('role="alert"')
  const { secret, key } = await keyOf(['read'])
  const { opened, cookie } = await cookieOf(secret)
  expect([opened.status, opened.headers.get('location')]).toEqual([302, `${new URL(body.service_url).pathname}/a?b=c`])
  expect(opened.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Lax$/)
  expect((await visit({ cookie })).status).toBe(LET_IN)
  const other = await world.send('GET', body.service_url.replace('8080', '8081'), { headers: { ...page, cookie } })
  expect(other.status).toBe(401)
  await world.core.keys.revoke(world.by, key.id)
  expect((await visit({ cookie })).status).toBe(302)
  const again = await cookieOf(world.key)
  expect((await visit({ cookie: again.cookie })).status).toBe(LET_IN)
  await world.delete(`/boxes/${id}/service-urls?port=8080`)
  expect((await visit({ cookie: again.cookie })).status).toBe(401)
})

it('of a restricted one lets in who may use boxes, or has made it', async () => {
  const { signIn, id } = await shared('restricted')
  const reader = await keyOf(['read'])
  const refused = await signIn(reader.secret)
  expect([refused.status, refused.body]).toEqual([401, expect.stringContaining('may not use boxes')])
  expect((await signIn((await keyOf(['read', 'write'])).secret)).status).toBe(303)
  const { labels } = await world.core.sandboxes.get(world.by, id)
  await world.core.sandboxes.update(world.by, id, { labels: { ...labels, 'langsmith.created-by': reader.key.id } })
  expect((await signIn(reader.secret)).status).toBe(303)
})

it('is told like other shares, excludes tokens, and is ended by access off', async () => {
  const { id, share, visit, cookieOf } = await shared('workspace', { embed_origins: ['https://a.test/'] })
  const { opened, cookie } = await cookieOf(world.key)
  expect(opened.headers.get('set-cookie')).toContain('SameSite=None; Secure; Partitioned')
  const list = async () => (await world.get(`/boxes/${id}/service-urls`)).body.items
  const about = { port: 8080, created_by: world.by.keyId, created_at: expect.any(String) }
  expect(await list()).toEqual([{ ...about, access: 'workspace', embed_origins: ['https://a.test'] }])
  expect((await share({ access: 'restricted' })).body).not.toHaveProperty('embed_origins')
  expect((await visit({ cookie })).status).toBe(LET_IN)
  const refused = await share({})
  expect([refused.status, refused.body.detail.error]).toEqual([409, 'Conflict'])
  expect((await share({ access: 'workspace', expires_in_seconds: 60 })).status).toBe(422)
  const { body } = await share({ access: 'off' })
  expect(body.browser_url).toContain(body.token)
  expect(await list()).toEqual([{ ...about, access: 'token', expires_at: body.expires_at }])
  expect((await visit({ cookie })).status).toBe(401)
  expect((await visit({ 'x-langsmith-sandbox-service-token': body.token })).status).toBe(LET_IN)
  await share({ access: 'workspace' })
  expect((await visit({ cookie })).status).toBe(302)
})

it('asks only browsers that look at a page to sign in', async () => {
  const { body } = await shared('workspace')
  const plain = await world.send('GET', body.service_url, { headers: { 'x-api-key': '' } })
  expect([plain.status, plain.body.detail.message]).toEqual([401, 'Authentication required'])
  expect((await world.send('POST', body.service_url, { headers: page })).status).toBe(401)
})

it('takes no form larger than keys are, and leads nowhere else', async () => {
  const { body } = await shared('workspace')
  const at = `${body.service_url}/_svc/login`
  const post = (form: Record<string, string>) =>
    world.send('POST', at, { headers: { 'x-api-key': '' }, body: new URLSearchParams(form) })
  expect((await post({ key: 'k'.repeat(10_000) })).status).toBe(413)
  const signed = await post({ key: world.key, redirect: '//evil.test/' })
  expect(new URL(signed.headers.get('location') ?? '').searchParams.get('redirect')).toBe('/')
})

it('binds pages that may frame a service into its token', async () => {
  const { id } = await world.box()
  const origins = ['https://app.test', 'http://localhost:3000']
  const share = (embed_origins: string[]) => world.post(`/boxes/${id}/service-url`, { port: 80, embed_origins })
  const { body } = await share(['https://APP.test/', 'http://localhost:3000'])
  expect(body).toMatchObject({
    embed_origins: origins,
    embed_url: `${body.service_url}/_svc/embed#token=${body.token}`,
  })
  const opened = await world.send('GET', body.browser_url, { headers: page })
  expect(opened.headers.get('set-cookie')).toContain('SameSite=None; Secure; Partitioned')
  const frame = await world.send('GET', body.embed_url, { headers: page })
  expect([frame.status, frame.headers.get('content-security-policy')]).toEqual([
    200,
    expect.stringContaining('sha256-'),
  ])
  const [until, , proof] = body.token.split('.')
  const forged = `${until}.${Buffer.from('https://evil.test').toString('base64url')}.${proof}`
  const refused = await world.send('GET', body.service_url, {
    headers: { 'x-api-key': '', 'x-langsmith-sandbox-service-token': forged },
  })
  expect(refused.status).toBe(401)
  for (const bad of ['http://app.test', 'https://app.test/page', 'app.test', 'https://u:p@app.test', 'javascript:0'])
    expect((await share([bad])).status, bad).toBe(422)
  expect((await share(Array.from({ length: 6 }, (_, n) => `https://${n}.test`))).status).toBe(422)
})
