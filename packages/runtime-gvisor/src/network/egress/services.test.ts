import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Asker } from '@spawnpoint/outbound'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { Authority } from './authority.ts'
import { servicesBoundary } from './services.ts'

const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-services-'))
const authority = Authority.open(join(dir, 'service'))
const another = Authority.open(join(dir, 'another'))
const heard: string[] = []
const serve = async (request: IncomingMessage, response: ServerResponse) => {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  heard.push(`${request.method} ${request.headers.host} ${request.url} ${body}`)
  response.end('answer')
}
const plain = createHttp(serve)
const secure = createHttps({ SNICallback: (name, done) => done(null, authority.contextFor(name)) }, serve)
const portOf = (server: Server) => {
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}
const asker = (change: { near?: string[]; roots?: string[]; addresses?: string[] } = {}) =>
  new Asker(
    servicesBoundary({ resolve4: async () => change.addresses ?? ['127.0.0.1'] }, change.near ?? []),
    () => change.roots ?? [authority.certificate],
  )

beforeAll(async () => {
  for (const server of [plain, secure]) await once(server.listen(0, '127.0.0.1'), 'listening')
})
beforeEach(() => {
  heard.length = 0
})
afterAll(() => {
  plain.close()
  secure.close()
  rmSync(dir, { recursive: true })
})

it('asks nobody on this machine or its network, by whatever name', async () => {
  for (const host of ['127.0.0.1', 'localhost', '169.254.169.254', '192.168.0.1', 'named.test', '[::1]', '0x7f.1']) {
    const asked = asker({ addresses: ['127.0.0.1', '10.1.2.3'] }).post(`http://${host}:${portOf(plain)}/`, {}, '')
    await expect(asked, host).rejects.toThrow('at an address that is not asked')
  }
  expect(heard).toEqual([])
})

it('asks those that the operator has named, and of several addresses one of theirs', async () => {
  const near = asker({ near: ['127.0.0.0/8'], addresses: ['10.1.2.3', '127.0.0.1'] })
  expect(await near.post(`http://named.test:${portOf(plain)}/a?b=c`, {}, 'question')).toBe('answer')
  expect(heard).toEqual([`POST named.test:${portOf(plain)} /a?b=c question`])
})

it('asks over TLS whom the machine trusts to be who was named', async () => {
  const url = `https://named.test:${portOf(secure)}/`
  expect(await asker({ near: ['127.0.0.1/32'] }).post(url, {}, '')).toBe('answer')
  await expect(asker({ near: ['127.0.0.1/32'], roots: [another.certificate] }).post(url, {}, '')).rejects.toThrow()
  expect(heard).toHaveLength(1)
})
