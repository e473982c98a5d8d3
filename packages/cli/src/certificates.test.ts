import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { makeCertificates } from './certificates.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'spawnpoint-certificates-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const text = (name: string) => readFileSync(join(dir, name), 'utf8')

/** What a client that trusts the authority makes of a server with this certificate that is called `name`. */
async function greet(name: string): Promise<string> {
  const server = createServer({ cert: text('server.crt'), key: text('server.key') }, (_req, res) => res.end('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    const req = request({ host: '127.0.0.1', port, servername: name, headers: { host: name }, ca: text('ca.crt') })
    req.end()
    const [response] = await once(req, 'response')
    return String(await response.setEncoding('utf8').toArray())
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === undefined || code === 'UNSPECIFIED' ? message : code
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

it('covers the domain and the names right below it, for who trusts the authority', async () => {
  const made = await makeCertificates('sbx.test', dir)
  expect(made).toMatchObject({ authority: join(dir, 'ca.crt'), cert: join(dir, 'server.crt'), kept: false })
  for (const name of ['sbx.test', 'api.sbx.test', '49983-abc.sbx.test']) expect(await greet(name)).toBe('hello')
  for (const name of ['a.b.sbx.test', 'other.test']) expect(await greet(name)).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
  expect(readdirSync(dir).sort()).toEqual(['ca.crt', 'ca.key', 'server.crt', 'server.key'])
  for (const key of ['ca.key', 'server.key']) expect(statSync(join(dir, key)).mode & 0o777).toBe(0o600)
})

it('is valid no longer than clients accept, and is not an authority itself', async () => {
  const { validTo } = await makeCertificates('sbx.test', dir)
  const cert = new X509Certificate(text('server.crt'))
  expect(new Date(cert.validTo)).toEqual(validTo)
  const days = (validTo.getTime() - new Date(cert.validFrom).getTime()) / 86_400_000
  expect(Math.round(days)).toBe(825)
  expect(cert.ca).toBe(false)
  expect(cert.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
  expect(cert.checkIssued(new X509Certificate(text('ca.crt')))).toBe(true)
})

it('keeps the authority of the domain, and makes another for another', async () => {
  await makeCertificates('sbx.test', dir)
  const [authority, first] = [text('ca.crt'), text('server.crt')]
  expect((await makeCertificates('sbx.test', dir)).kept).toBe(true)
  expect(text('ca.crt')).toBe(authority)
  expect(text('server.crt')).not.toBe(first)
  expect(await greet('api.sbx.test')).toBe('hello')
  rmSync(join(dir, 'ca.key'))
  expect((await makeCertificates('sbx.test', dir)).kept).toBe(false)
  expect((await makeCertificates('other.test', dir)).kept).toBe(false)
  expect(await greet('api.other.test')).toBe('hello')
})

it('has an authority that is believed about no other domain', async () => {
  await makeCertificates('sbx.test', dir)
  const [authority, key] = [text('ca.crt'), text('ca.key')]
  await makeCertificates('bank.test', dir)
  // As a thief of the key would: the name of another domain, vouched for by the authority of this one.
  writeFileSync(join(dir, 'ca.crt'), authority)
  writeFileSync(join(dir, 'ca.key'), key)
  writeFileSync(join(dir, 'extensions'), 'subjectAltName=DNS:bank.test')
  const run = (args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  run(['req', '-new', '-key', 'server.key', '-subj', '/CN=bank.test', '-out', 'request'])
  run([
    ...['x509', '-req', '-in', 'request', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-extfile', 'extensions'],
    ...['-set_serial', '7', '-out', 'server.crt'],
  ])
  expect(await greet('bank.test')).toBe('permitted subtree violation')
})
