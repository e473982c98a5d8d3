import { readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { GitSource, OutgoingRule, TeamId } from '@spawnpoint/core'
import { readTar } from '@spawnpoint/fakes'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { GitServer, selfSigned } from '../testing/index.ts'
import { GitReader } from './git-reader.ts'

const TEAM = '1'.repeat(24) as TeamId

let dir: string
let server: GitServer
let reader: GitReader
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'spawnpoint-remotes-'))
  server = await GitServer.open()
  reader = await GitReader.open({ dir: join(dir, 'git') })
  server.commit('app', { 'README.md': 'old\n' }, { tag: 'v1' })
  server.commit('app', {
    'README.md': 'hello\n',
    'bin/run.sh': '#!/bin/sh\n',
    'left/out': 'not left out\n',
    '.gitattributes': 'left export-ignore\nREADME.md export-subst\n',
  })
  server.commit('app', { next: '1' }, { branch: 'feature/next' })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(dir, { recursive: true })
})
afterEach(() => {
  Object.assign(server, { authorization: null, instead: null })
  server.asked.length = 0
  expect(readdirSync(join(dir, 'git'))).toEqual([])
})

const source = (name: string, ref: GitSource['ref'] = null, host?: string): GitSource => ({
  type: 'git',
  url: server.urlOf(name, host),
  ref,
})
const open = new AbortController().signal

/** Files of what was read, by name, with their modes. */
async function read(
  from: GitSource,
  {
    credentials = [],
    maxBytes = 2 ** 30,
    signal = open,
  }: { credentials?: OutgoingRule[]; maxBytes?: number; signal?: AbortSignal } = {},
): Promise<Record<string, string>> {
  let archive = Buffer.alloc(0)
  await reader.read(
    { source: from, team: TEAM, credentials, known: null, maxBytes, maxChanges: 0 },
    async (body) => {
      archive = await buffer(body)
    },
    signal,
  )
  const files = readTar(archive).filter(({ type }) => type === 'file')
  return Object.fromEntries(files.map(({ name, mode, data }) => [name, `${mode.toString(8)} ${data.toString()}`]))
}

it('reads the files of a branch or a tag as they are there, whatever attributes say of archives', async () => {
  const head = await read(source('app'))
  expect(head).toEqual({
    '.gitattributes': expect.any(String),
    'README.md': '644 hello\n',
    'bin/run.sh': '755 #!/bin/sh\n',
    'left/out': '644 not left out\n',
  })
  expect(await read(source('app', { type: 'branch', name: 'main' }))).toEqual(head)
  expect(await read(source('app', { type: 'tag', name: 'v1' }))).toEqual({ 'README.md': '644 old\n' })
  expect(await read(source('app', { type: 'branch', name: 'feature/next' }))).toEqual({ next: '644 1' })
  server.commit('empty', {})
  expect(await read(source('empty'))).toEqual({})
})

it.each<[string, GitSource['ref'], string, RegExp]>([
  ['app', { type: 'branch', name: 'v1' }, 'not_found', /no such branch: v1/],
  ['app', { type: 'tag', name: 'main' }, 'not_found', /no such tag: main/],
  ['none', null, 'not_found', /No such remote/],
])('what is not there is said: %s %j', async (name, ref, code, message) => {
  await expect(read(source(name, ref))).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
})

it('shows a credential to the hosts that it is for, and to no other', async () => {
  server.authorization = 'Basic dTpw'
  const headers = [{ name: 'Authorization', value: 'Basic dTpw' }]
  const rule = (host: string) => [{ hosts: [host], paths: [], matchHeaders: [], headers }]
  await expect(read(source('app'))).rejects.toMatchObject({ code: 'forbidden' })
  await expect(read(source('app', null, 'localhost'), { credentials: rule('other.test') })).rejects.toMatchObject({
    code: 'forbidden',
  })
  // Nor is what is meant for the host where requests go instead.
  const rewrite = { host: 'gateway.test', port: 443, guestCredentials: 'strip' as const }
  const elsewhereToo = rule('localhost').map((one) => ({ ...one, rewrite }))
  await expect(read(source('app', null, 'localhost'), { credentials: elsewhereToo })).rejects.toMatchObject({
    code: 'forbidden',
  })
  expect(new Set(server.asked.map(({ authorization }) => authorization))).toEqual(new Set([undefined]))
  expect(await read(source('app', null, 'localhost'), { credentials: rule('localhost') })).toHaveProperty('README.md')
  // Where it sends us on to is not who it is for.
  const elsewhere = server.urlOf('app')
  server.instead = ({ headers: { host }, url }) =>
    host?.startsWith('localhost')
      ? { status: 302, headers: { location: `${elsewhere}${url?.slice('/app.git'.length)}` } }
      : null
  server.asked.length = 0
  await expect(read(source('app', null, 'localhost'), { credentials: rule('localhost') })).rejects.toMatchObject({
    code: 'forbidden',
  })
  expect(server.asked.map(({ authorization }) => authorization)).toEqual(['Basic dTpw', undefined])
})

it('goes where it is sent on to, but not to what is no web address, nor where nobody is asked', async () => {
  const to = (location: string) => {
    server.instead = ({ url }) => (url?.startsWith('/moved.git/') ? { status: 301, headers: { location } } : null)
  }
  to('/app.git/info/refs?service=git-upload-pack')
  expect(await read(source('moved'))).toHaveProperty('README.md')
  for (const location of [
    'file:///etc/passwd',
    'ext::sh -c id',
    'http://169.254.169.254/info/refs?service=git-upload-pack',
    '/elsewhere',
    '/moved.git/info/refs?service=git-upload-pack',
  ]) {
    to(location)
    await expect(read(source('moved')), location).rejects.toMatchObject({ code: 'runtime_failed' })
  }
  const metadata: GitSource = { type: 'git', url: 'http://169.254.169.254/r.git', ref: null }
  await expect(read(metadata)).rejects.toMatchObject({ code: 'runtime_failed' })
})

it('does not believe what it is answered', async () => {
  const type = 'application/x-git-upload-pack-advertisement'
  const answers: [string, string][] = [
    ['text/html', '<html>'],
    [type, 'nonsense'],
    [type, '001e# service=git-upload-pack\n0000'],
    [type, '000eversion 2\n00ff'],
  ]
  for (const [contentType, body] of answers) {
    server.instead = () => ({ status: 200, headers: { 'content-type': contentType }, body })
    await expect(read(source('app')), body).rejects.toMatchObject({ code: 'runtime_failed' })
  }
  // A pack that is none.
  server.instead = ({ method, headers: { 'content-length': length } }) =>
    method === 'POST' && Number(length) > 120
      ? {
          status: 200,
          headers: { 'content-type': 'application/x-git-upload-pack-result' },
          body: '000dpackfile\n000a\u0001PACK!0000',
        }
      : null
  await expect(read(source('app'))).rejects.toMatchObject({ code: 'runtime_failed' })
})

it('ends when it is told to, at a limit, and with whoever takes the files', async () => {
  server.commit('large', { large: Array.from({ length: 40_000 }, () => Math.random()).join('\n') })
  await expect(read(source('large'), { maxBytes: 10_000 })).rejects.toMatchObject({ code: 'payload_too_large' })
  await expect(read(source('app'), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
  const full = new Error('no space')
  const take = (archive: Readable) => {
    archive.destroy()
    return Promise.reject(full)
  }
  await expect(
    reader.read(
      { source: source('large'), team: TEAM, credentials: [], known: null, maxBytes: 2 ** 30, maxChanges: 0 },
      take,
      open,
    ),
  ).rejects.toBe(full)
})

it('tells the version, and does not fetch one that is known', async () => {
  const first = server.commit('moving', { a: '1' })
  const look = async (known: string | null) => {
    let taken = false
    const take = async (archive: Readable) => {
      taken = (await buffer(archive)).length > 0
    }
    const ask = { source: source('moving'), team: TEAM, credentials: [], known, maxBytes: 2 ** 30, maxChanges: 0 }
    return [await reader.read(ask, take, open), taken]
  }
  expect([await look(null), await look(first)]).toEqual([
    [first, true],
    [first, false],
  ])
  const second = server.commit('moving', { a: '2' })
  expect(await look(first)).toEqual([second, true])
})

it('asks over TLS whom it can trust, and nobody else', async () => {
  const tls = selfSigned()
  await using secure = await GitServer.open(tls)
  secure.commit('app', { 'README.md': 'over TLS' })
  const asked = (by: GitReader) => {
    const from: GitSource = { type: 'git', url: secure.urlOf('app'), ref: null }
    const take = async (archive: Readable) => {
      await buffer(archive)
    }
    return by.read(
      { source: from, team: TEAM, credentials: [], known: null, maxBytes: 2 ** 20, maxChanges: 0 },
      take,
      open,
    )
  }
  await expect(asked(reader)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT'),
  })
  expect(secure.asked).toEqual([])
  const trusting = await GitReader.open({ dir: join(dir, 'git'), roots: [tls.cert] })
  expect(await asked(trusting)).toMatch(/^[0-9a-f]{40}$/)
})

it('removes what an earlier process left', async () => {
  await writeFile(join(dir, 'git', 'left'), '')
  reader = await GitReader.open({ dir: join(dir, 'git') })
})
