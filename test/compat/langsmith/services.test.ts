import { Langsmith } from 'langsmith'
import { type Sandbox, SandboxClient, SERVICE_TOKEN_HEADER, ServiceLoginUrl, ServiceUrl } from 'langsmith/sandbox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Certificates } from '../over-tls.ts'
import { VendorWorld } from '../vendor-world.ts'

const PROGRAM = `
const http = require('http')
http.createServer((req, res) => {
  const { host, cookie, ...headers } = req.headers
  res.end(JSON.stringify({ url: req.url, cookie, user: headers['x-langsmith-user-id'], headers: Object.keys(headers) }))
}).listen(8080)`

let vendor: VendorWorld
let client: SandboxClient
let box: Sandbox
beforeAll(async () => {
  vendor = await VendorWorld.start()
  client = new SandboxClient()
  box = await client.createSandbox({ name: 'web', preserveMemoryOnStop: true })
  await box.write('/opt/server.js', PROGRAM)
  await box.run('node /opt/server.js >/dev/null 2>&1 & until curl -s localhost:8080; do sleep 0.1; done')
})
afterAll(() => vendor?.[Symbol.asyncDispose]())

async function service(options: { port: number; expiresInSeconds?: number }): Promise<ServiceUrl> {
  const url = await client.serviceUrl('web', options)
  if (!(url instanceof ServiceUrl)) throw new Error('not one with a token')
  return url
}

// biome-ignore lint/suspicious/noExplicitAny: answers of several shapes, which the tests then look at
const jsonOf = (response: Response): Promise<any> => response.json() as Promise<any>

describe('service addresses', () => {
  it('lead to a program of the box for who holds the token', async () => {
    const web = await service({ port: 8080 })
    const answer = await jsonOf(await web.fetch('/a/b?c=d'))
    expect(answer.url).toBe('/a/b?c=d')
    expect(answer.headers).not.toContain('x-langsmith-sandbox-service-token')
    const bare = await fetch(await web.serviceUrl())
    expect([bare.status, (await jsonOf(bare)).detail.message]).toEqual([401, 'Authentication required'])
    const other = (await web.serviceUrl()).replace(/8080$/, '8081')
    const header = { [SERVICE_TOKEN_HEADER]: await web.token() }
    expect(Date.parse(await web.expiresAt())).toBeGreaterThan(Date.now())
    expect(await (await fetch(await web.embedUrl())).text()).toContain("location.replace('auth?'")
    expect((await fetch(other, { headers: header })).status).toBe(401)
  })

  it('take a browser from a link to the service by way of a cookie that the program does not see', async () => {
    const web = await service({ port: 8080, expiresInSeconds: 120 })
    const login = await fetch(`${await web.browserUrl()}&redirect=/page`, { redirect: 'manual' })
    expect(login.status).toBe(302)
    const cookie = login.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
    expect(login.headers.get('set-cookie')).toContain('HttpOnly')
    const page = new URL(login.headers.get('location') ?? '', await web.serviceUrl())
    const answer = await jsonOf(await fetch(page, { headers: { cookie: `${cookie}; own=1` } }))
    expect(answer).toMatchObject({ url: '/page', cookie: 'own=1' })
    const evil = await fetch(`${await web.browserUrl()}&redirect=//evil.example/`, { redirect: 'manual' })
    expect(new URL(evil.headers.get('location') ?? '', await web.serviceUrl()).host).toBe(
      new URL(await web.serviceUrl()).host,
    )
  })

  it('end with their time, and start a stopped box', async () => {
    const short = await service({ port: 8080, expiresInSeconds: 1 })
    // Not through the client, which would get itself another.
    const token = Reflect.get(short, '_token') as string
    const url = Reflect.get(short, '_serviceUrl') as string
    await new Promise((next) => setTimeout(next, 1100))
    const late = await fetch(url, { headers: { 'x-langsmith-sandbox-service-token': token } })
    expect([late.status, (await jsonOf(late)).detail.message]).toEqual([401, 'Service link has expired'])
    const web = await service({ port: 8080 })
    await box.stop()
    expect((await jsonOf(await web.fetch('/'))).url).toBe('/')
  })
})

it('tells and ends what is shared, and what was used', async () => {
  const generated = new Langsmith({ baseURL: `${vendor.world.url}/langsmith` }).sandboxes
  const { boxes } = generated
  await service({ port: 8080 })
  const ports = async () => {
    const shared: [number, string][] = []
    for await (const { port, access } of boxes.listServiceURLs('web')) shared.push([port, access])
    return shared
  }
  await service({ port: 9000 })
  expect(await ports()).toEqual([
    [8080, 'token'],
    [9000, 'token'],
  ])
  await boxes.deleteServiceURL('web', { port: 9000 })
  expect(await ports()).toEqual([[8080, 'token']])
  await boxes.deleteServiceURL('web')
  expect(await ports()).toEqual([])
  const embedOrigins = ['https://app.example']
  const durable = await client.serviceUrl('web', { port: 8080, access: 'workspace', embedOrigins })
  expect(durable).toMatchObject({ access: 'workspace', embedOrigins })
  await expect(client.serviceUrl('web', { port: 8080 })).rejects.toMatchObject({ name: 'LangSmithSandboxError' })
  expect(await ports()).toEqual([[8080, 'workspace']])
  await boxes.deleteServiceURL('web')
  const hour = new Date(Date.now() - 3_600_000).toISOString()
  const costs = await generated.listUsageCosts({
    start_time: hour,
    end_time: new Date().toISOString(),
    granularity: 'RESOURCE',
  })
  expect(costs.items.find(({ resource_id }) => resource_id === box.id)).toMatchObject({
    lcu: '0',
    vcpu_hours: expect.stringMatching(/^0\.\d+$/),
  })
})

describe('download links', () => {
  it('give one file to anybody who has them, also of a stopped box', async () => {
    await box.write('/opt/report.txt', 'all is well')
    const link = await client.generateDownloadURL('web', '/opt/report.txt', { contentType: 'text/csv' })
    expect(link.expires_at).toBeFalsy()
    await box.stop()
    const whole = await fetch(link.download_url)
    expect([whole.headers.get('content-type'), await whole.text()]).toEqual(['text/csv', 'all is well'])
    const part = await fetch(link.download_url, { headers: { range: 'bytes=0-2' } })
    expect([part.status, await part.text()]).toEqual([206, 'all'])
    expect((await fetch(link.download_url, { method: 'HEAD' })).headers.get('content-length')).toBe('11')
    const [text, proof] = link.token.split('.')
    const forged = Buffer.from(
      Buffer.from(text ?? '', 'base64url')
        .toString()
        .replace('report.txt', 'server.js'),
    ).toString('base64url')
    expect((await fetch(link.download_url.replace(link.token, `${forged}.${proof}`))).status).toBe(401)
  })
})

it('with a domain each port of a box has a host of its own, over TLS', async () => {
  using certificates = new Certificates()
  await using tls = await VendorWorld.startOverTls(certificates)
  const { url, key } = tls.world
  const over = new SandboxClient({ apiEndpoint: `${url}/langsmith/v2/sandboxes`, apiKey: key })
  const other = await over.createSandbox({ name: 'web' })
  await other.write('/opt/server.js', PROGRAM)
  await other.run('node /opt/server.js >/dev/null 2>&1 & until curl -s localhost:8080; do sleep 0.1; done')
  const web = await over.serviceUrl('web', { port: 8080 })
  if (!(web instanceof ServiceUrl)) throw new Error('not one with a token')
  const host = await web.serviceUrl()
  expect(host).toBe(`https://8080-${other.id}.${tls.world.domain}`)
  const answer = await jsonOf(await web.fetch('/a'))
  expect(answer.url).toBe('/a')
  expect(answer.headers).not.toContain('x-langsmith-sandbox-service-token')
  expect((await fetch(host)).status).toBe(403)
  const login = await fetch(await web.browserUrl(), { redirect: 'manual' })
  expect([login.status, login.headers.get('location')]).toEqual([302, '/'])
  const cookie = login.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
  expect(login.headers.get('set-cookie')).toContain('Secure')
  expect(await jsonOf(await fetch(`${host}/b`, { headers: { cookie } }))).not.toHaveProperty('cookie')
  const { host: at } = new URL(host)
  expect((await fetch(`https://${at.replace('8080', '8081')}/`, { headers: { cookie } })).status).toBe(403)

  // So has each file, and with it an origin that no other has.
  await other.write('/opt/page.html', '<p>hi')
  const { sandboxes } = new Langsmith({ baseURL: `${url}/langsmith`, apiKey: key })
  const link = await sandboxes.boxes.generateDownloadURL('web', { path: '/opt/page.html', csp_sandbox: false })
  const file = new URL(link.download_url)
  expect(file.host).toMatch(new RegExp(`^file-[0-9a-f]{32}\\.${tls.world.domain}$`))
  const shownPage = await fetch(file)
  expect([await shownPage.text(), shownPage.headers.get('content-security-policy')]).toEqual([
    '<p>hi',
    expect.stringMatching(/^default-src 'self'/),
  ])
  expect((await fetch(`${url}${file.pathname}${file.search}`)).status).toBe(401)

  // Who signs in does so at the server, whose origin no program of a box has.
  const durable = await over.serviceUrl('web', {
    port: 8080,
    access: 'workspace',
    embedOrigins: ['https://app.example'],
  })
  if (!(durable instanceof ServiceLoginUrl)) throw new Error('not one to sign in to')
  const page = { redirect: 'manual', headers: { accept: 'text/html' } } as const
  const sent = (await fetch(`${durable.url}/c?d`, page)).headers.get('location') ?? ''
  expect(new URL(sent).origin).toBe(new URL(url).origin)
  expect(await (await fetch(sent, page)).text()).toContain('API key')
  const form = new URLSearchParams({ key, redirect: new URL(sent).searchParams.get('redirect') ?? '' })
  const signed = await fetch(sent, { method: 'POST', body: form, redirect: 'manual' })
  const opened = await fetch(signed.headers.get('location') ?? '', page)
  expect([signed.status, opened.status, opened.headers.get('location')]).toEqual([303, 302, '/c?d'])
  const session = opened.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
  const shown = await fetch(`${durable.url}/c`, { headers: { cookie: session, 'x-langsmith-user-id': 'root' } })
  expect(shown.headers.get('content-security-policy')).toBe("frame-ancestors 'self' https://app.example")
  expect((await jsonOf(shown)).user).toMatch(/^[0-9a-f]{24}$/)
})
