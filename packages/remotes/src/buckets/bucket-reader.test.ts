import { generateKeyPairSync } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { BucketSource, OutgoingRule, RemoteAsk, RemoteChange, RemoteReader, TeamId } from '@spawnpoint/core'
import { readTar } from '@spawnpoint/fakes'
import aws4 from 'aws4'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type BucketRequest, BucketServer, selfSigned } from '../testing/index.ts'
import { type BucketReaderOptions, openBucketReaders } from './bucket-reader.ts'

const TEAM = '1'.repeat(24) as TeamId
const KEYS = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }

let dir: string
let server: BucketServer
let readers: RemoteReader[]
const open = (options: Partial<BucketReaderOptions> = {}) =>
  openBucketReaders({ dir: join(dir, 'kept'), near: ['127.0.0.1'], roots: [], ...options })

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'spawnpoint-buckets-'))
  server = await BucketServer.open()
  readers = await open()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(dir, { recursive: true })
})
afterEach(() => {
  Object.assign(server, { refuses: () => false, instead: () => null, pageSize: 1000, mostAtOnce: 0, waitsFor: 0 })
  server.asked.length = 0
  server.buckets.clear()
})

type Over = { bucket?: string; prefix?: string; endpoint?: string | null }
const s3 = ({ bucket = 'data', prefix = '', endpoint = server.url }: Over = {}): BucketSource => ({
  type: 's3',
  endpoint,
  region: 'eu-central-1',
  bucket,
  prefix,
  pathStyle: true,
})
const gcs = ({ bucket = 'data', prefix = '', endpoint = server.url }: Over = {}): BucketSource => ({
  type: 'gcs',
  endpoint,
  bucket,
  prefix,
})
const azure = ({ bucket = 'data', prefix = '', endpoint = server.url }: Over = {}): BucketSource => ({
  type: 'azure',
  endpoint,
  account: 'account',
  bucket,
  prefix,
})
const rule = (more: Partial<OutgoingRule>, hosts = ['127.0.0.1']): OutgoingRule[] => [
  { hosts, paths: [], matchHeaders: [], headers: [], ...more },
]
const signing = (secret: string | null): OutgoingRule[] => {
  const values = [
    { name: 'access_key_id', value: KEYS.accessKeyId },
    { name: 'secret_access_key', value: secret },
  ]
  return rule({ auth: { type: 'aws', values } })
}

interface Got {
  version: string
  files: Record<string, string>
  change: RemoteChange | null | undefined
}
async function read(source: BucketSource, more: Partial<RemoteAsk> = {}, using = readers): Promise<Got> {
  const reader = using.find(({ type }) => type === source.type)
  if (reader === undefined) throw new Error(`no reader of ${source.type}`)
  let archive = Buffer.alloc(0)
  let change: RemoteChange | null | undefined
  const ask = { source, team: TEAM, credentials: [], known: null, maxBytes: 2 ** 30, maxChanges: 100, ...more }
  const take = async (body: Readable, what: RemoteChange | null) => {
    archive = await buffer(body)
    change = what
  }
  const version = await reader.read(ask, take, new AbortController().signal)
  const files = readTar(archive).map(({ name, mode, data }) => [name, `${mode.toString(8)} ${data}`])
  return { version, files: Object.fromEntries(files), change }
}

describe.each([
  ['S3', s3],
  ['Google Cloud Storage', gcs],
  ['Azure Blob Storage', azure],
])('of %s', (_, source) => {
  it('reads what is below a directory, page by page, whatever the names', async () => {
    const odd = { 'a b+c&d=e/%41?#.txt': 'odd', 'käse/日本': 'names', "it's(1)!*": '~', 'x:y': '' }
    server.put('data', { ...odd, 'sub/one': '1', 'sub/two/three': '3', subway: 'not in it' })
    server.pageSize = 2
    expect((await read(source())).files).toEqual({
      ...Object.fromEntries(Object.entries(odd).map(([name, text]) => [name, `644 ${text}`])),
      'sub/one': '644 1',
      'sub/two/three': '644 3',
      subway: '644 not in it',
    })
    expect((await read(source({ prefix: 'sub' }))).files).toEqual({ one: '644 1', 'two/three': '644 3' })
    expect((await read(source({ prefix: 'none' }))).files).toEqual({})
    await expect(read(source({ bucket: 'none' }))).rejects.toMatchObject({ code: 'not_found' })
  })

  it('leaves out what cannot be a file', async () => {
    const odd = ['../up', 'a/../../b', '/absolute', 'double//slash', './here', 'folder/', `${'n'.repeat(256)}`, 'nul\0']
    server.put('data', {
      ...Object.fromEntries(odd.map((name) => [name, 'x'])),
      both: 'file',
      'both/below': 'dir',
      ok: '1',
    })
    expect((await read(source())).files).toEqual({ 'both/below': '644 dir', ok: '644 1' })
  })

  it('fetches what has changed since a version that it knows, and all where that is much, or unknown', async () => {
    server.put('changing', {
      kept: '1',
      changed: 'old',
      'gone/deep/a': '',
      'gone/deep/b': '',
      'half/gone': '',
      'half/kept': '',
    })
    const first = await read(source({ bucket: 'changing' }))
    expect(await read(source({ bucket: 'changing' }), { known: first.version })).toMatchObject({
      version: first.version,
      change: undefined,
    })
    server.asked.length = 0
    server.put('changing', { kept: '1', changed: 'new', 'half/kept': '', 'half/gone/now/a/directory': '2' })
    const second = await read(source({ bucket: 'changing' }), { known: first.version })
    expect(second).toEqual({
      version: expect.stringMatching(/^[0-9a-f]{64}$/),
      files: { changed: '644 new', 'half/gone/now/a/directory': '644 2' },
      change: { brought: ['changed', 'half/gone/now/a/directory'], gone: ['gone', 'half/gone'] },
    })
    // One may be asked for twice where a connection breaks; what an earlier test has given up may still come.
    expect(new Set(server.asked.filter((target) => target.includes('changing'))).size).toBe(3)
    const all = ['changed', 'half/gone/now/a/directory', 'half/kept', 'kept']
    for (const known of [{ known: first.version, maxChanges: 3 }, { known: 'f'.repeat(64) }, { known: null }]) {
      const { files, change, version } = await read(source({ bucket: 'changing' }), known)
      expect([Object.keys(files), change, version]).toEqual([all, null, second.version])
    }
    // A new server knows it, too.
    expect((await read(source({ bucket: 'changing' }), { known: first.version }, await open())).change).toEqual(
      second.change,
    )
  })

  it('fetches several at a time, also beside large ones', async () => {
    const large = Buffer.alloc(5 * 2 ** 20, 'large')
    const small = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`small/${n}`, String(n)]))
    server.put('data', { large, ...small })
    server.waitsFor = 16
    const { files } = await read(source())
    expect([Object.keys(files).length, files.large?.length, files['small/59']]).toEqual([
      61,
      large.length + 4,
      '644 59',
    ])
    // An answer counts until its end is known to have arrived.
    expect(server.mostAtOnce).toBeLessThan(60)
  })

  it('takes objects as they are by then: changed ones, but none that has gone', async () => {
    server.put('data', { a: 'listed', b: 'listed', c: 'listed' })
    server.instead = ({ target }) => {
      if (!/\/c(\?|$)/.test(target)) return null
      server.instead = () => null
      server.put('data', { b: 'by now', c: 'another' })
      return null
    }
    // Whichever of them is fetched last: what is told is what was read.
    const { files, version } = await read(source())
    expect(files.c).toBe('644 another')
    server.put('data', Object.fromEntries(Object.entries(files).map(([name, text]) => [name, text.slice(4)])))
    expect((await read(source())).version).toBe(version)
  })

  it('does not believe what it is answered', async () => {
    server.put('data', { a: '1234' })
    const isObject = ({ target }: BucketRequest) => /\/a(\?|$)/.test(target)
    const lies: ((request: BucketRequest) => ReturnType<BucketServer['instead']>)[] = [
      () => ({ status: 200, body: '' }),
      () => ({ status: 200, body: '<html>' }),
      () => ({ status: 200, body: '[]' }),
      () => ({ status: 302, headers: { location: 'http://169.254.169.254/' } }),
      (request) =>
        isObject(request) ? { status: 200, headers: { 'content-length': '9' }, body: 'short', cut: true } : null,
      (request) => (isObject(request) ? { status: 418 } : null),
    ]
    for (const instead of lies) {
      server.instead = instead
      const error: unknown = await read(source()).catch((reason: unknown) => reason)
      expect(error, String(instead)).toMatchObject({ code: expect.stringMatching(/^(runtime_failed|unavailable)$/) })
    }
  })

  it('keeps to its limits', async () => {
    server.put('data', { a: 'x'.repeat(600), b: 'y'.repeat(600) })
    await expect(read(source(), { maxBytes: 1000 })).rejects.toMatchObject({ code: 'payload_too_large' })
    expect(server.asked.length).toBe(1)
    // More than was listed.
    server.instead = ({ target }) => (/\/b(\?|$)/.test(target) ? { status: 200, body: 'z'.repeat(10_000) } : null)
    await expect(read(source(), { maxBytes: 2000 })).rejects.toMatchObject({ code: 'payload_too_large' })
    const [slow] = [await open({ timeoutMs: 200 })]
    server.instead = () => ({ status: 503 })
    await expect(read(source(), {}, slow)).rejects.toMatchObject({ code: 'timeout' })
  })

  it('asks again where the store says so, and not for ever', async () => {
    server.put('data', { a: '1' })
    let refused = 0
    server.instead = () => (refused++ < 2 ? { status: 503 } : null)
    expect((await read(source())).files).toEqual({ a: '644 1' })
    server.instead = () => ({ status: 503 })
    server.asked.length = 0
    await expect(read(source())).rejects.toMatchObject({ code: 'unavailable' })
    expect(server.asked.length).toBe(4)
  })

  it('ends with whoever takes it', async () => {
    server.put('data', { large: Buffer.alloc(40 * 2 ** 20) })
    const reader = readers.find(({ type }) => type === source().type)
    const ask = { source: source(), team: TEAM, credentials: [], known: null, maxBytes: 2 ** 30, maxChanges: 0 }
    const full = new Error('no space')
    const take = (archive: Readable) => {
      archive.destroy()
      return Promise.reject(full)
    }
    await expect(reader?.read(ask, take, new AbortController().signal)).rejects.toBe(full)
    await expect(reader?.read(ask, take, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('is asked nowhere near, unless that is allowed', async () => {
    server.put('near', { a: '1' })
    const far = await open({ near: [] })
    for (const endpoint of [
      server.url,
      `http://localhost:${server.port}`,
      'https://10.1.2.3',
      'http://169.254.169.254',
    ])
      await expect(read(source({ bucket: 'near', endpoint }), {}, far), endpoint).rejects.toMatchObject({
        code: 'forbidden',
      })
    expect(server.asked.filter((target) => target.includes('near'))).toEqual([])
    expect((await read(source({ bucket: 'near', endpoint: `http://localhost:${server.port}` }))).files).toEqual({
      a: '644 1',
    })
  })

  it('shows the headers of a rule to the hosts that it is for', async () => {
    server.put('data', { a: '1' })
    server.refuses = ({ headers }) => headers.authorization !== 'Bearer mine'
    const headers = [{ name: 'Authorization', value: 'Bearer mine' }]
    await expect(read(source())).rejects.toMatchObject({ code: 'forbidden' })
    await expect(read(source(), { credentials: rule({ headers }, ['other.test']) })).rejects.toMatchObject({
      code: 'forbidden',
    })
    const rewrite = { host: 'other.test', port: 443, guestCredentials: 'strip' as const }
    await expect(read(source(), { credentials: rule({ headers, rewrite }) })).rejects.toMatchObject({
      code: 'forbidden',
    })
    expect((await read(source(), { credentials: rule({ headers }) })).files).toEqual({ a: '644 1' })
  })
})

describe('of S3', () => {
  it('signs as another library does', async () => {
    server.put('data', { 'a b/c+d': '1', "it's": '2' })
    server.pageSize = 1
    server.refuses = ({ method = '', headers, target }) => {
      const { host = '', 'x-amz-date': date, 'x-amz-content-sha256': hash } = headers
      const own = { Host: host, 'X-Amz-Date': String(date), 'X-Amz-Content-Sha256': String(hash) }
      const other = aws4.sign({ method, host, path: target, service: 's3', region: 'eu-central-1', headers: own }, KEYS)
      return other.headers.Authorization !== headers.authorization
    }
    const credentials = signing(KEYS.secretAccessKey)
    expect((await read(s3(), { credentials })).files).toEqual({ 'a b/c+d': '644 1', "it's": '644 2' })
    await expect(read(s3(), { credentials: signing('another') })).rejects.toMatchObject({ code: 'forbidden' })
    await expect(read(s3(), { credentials: signing(null) })).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('set it again'),
    })
  })

  it('says where the bucket is, and leaves out what is frozen', async () => {
    server.instead = () => ({ status: 301, headers: { 'x-amz-bucket-region': 'ap-south-1' } })
    await expect(read(s3())).rejects.toThrow(/in the region ap-south-1/)
    const frozen = '<Contents><Key>f</Key><Size>1</Size><ETag>"e"</ETag><StorageClass>GLACIER</StorageClass></Contents>'
    server.instead = () => ({ status: 200, body: `<ListBucketResult>${frozen}</ListBucketResult>` })
    expect((await read(s3())).files).toEqual({})
  })

  it.each([
    ['a document type', '<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult/>'],
    ['an entity', '<ListBucketResult><Contents><Key>&a;</Key></Contents></ListBucketResult>'],
    ['depth', '<a>'.repeat(1000)],
    ['length', `<ListBucketResult><Name>${'n'.repeat(100_000)}</Name></ListBucketResult>`],
    ['another end', '<ListBucketResult></Other>'],
    ['no end', '<ListBucketResult><Contents>'],
    ['more than a page', `<ListBucketResult>${'<Contents/>'.repeat(11_000)}</ListBucketResult>`],
    ['a page without a next', '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>'],
    ['no size', '<ListBucketResult><Contents><Key>a</Key><Size>-1</Size><ETag>e</ETag></Contents></ListBucketResult>'],
    [
      'another directory',
      '<ListBucketResult><Contents><Key>b</Key><Size>1</Size><ETag>e</ETag></Contents></ListBucketResult>',
    ],
  ])('does not believe a listing with %s', async (_, body) => {
    server.instead = () => ({ status: 200, body })
    await expect(read(s3({ prefix: 'a' }))).rejects.toMatchObject({ code: 'runtime_failed' })
  })

  it('does not read the same for ever', async () => {
    const page = `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>${' '.repeat(8 * 2 ** 20)}</ListBucketResult>`
    server.instead = () => ({ status: 200, body: page })
    await expect(read(s3())).rejects.toMatchObject({ code: 'runtime_failed', message: expect.stringContaining('end') })
    expect(server.asked.length).toBeLessThan(10)
  })

  it('does not read pages without an end', async () => {
    const more = '<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>'
    const contents = Array.from(
      { length: 1000 },
      (_, n) => `<Contents><Key>KEY${n}</Key><Size>1</Size><ETag>e</ETag></Contents>`,
    )
    let page = 0
    server.instead = () => {
      page += 1
      const body = `<ListBucketResult>${contents.join('').replaceAll('KEY', `${page}-`)}${more}</ListBucketResult>`
      return { status: 200, body }
    }
    await expect(read(s3())).rejects.toMatchObject({ code: 'limit_exceeded' })
  })
})

describe('of Azure', () => {
  it('leaves out directories and what is archived', async () => {
    const blob = (name: string, more: string) =>
      `<Blob><Name>${name}</Name><Properties><Content-Length>0</Content-Length><Etag>e</Etag>${more}</Properties></Blob>`
    const blobs =
      blob('dir', '<ResourceType>directory</ResourceType>') + blob('cold', '<AccessTier>Archive</AccessTier>')
    server.instead = () => ({ status: 200, body: `<EnumerationResults><Blobs>${blobs}</Blobs></EnumerationResults>` })
    expect((await read(azure())).files).toEqual({})
  })
})

it('has a token for Google that is got with a service account, once', async () => {
  server.put('data', { a: '1', b: '2' })
  server.refuses = ({ headers }) => headers.authorization !== 'Bearer ya29.real'
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const account = (path: string) =>
    JSON.stringify({
      client_email: 'robot@project.test',
      private_key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
      token_uri: `${server.url}${path}`,
    })
  server.instead = ({ target, method }) =>
    target === '/token' && method === 'POST' ? { status: 200, body: '{"access_token":"ya29.real"}' } : null
  const credentials = (path: string) => {
    const values = [{ name: 'service_account', value: account(path) }]
    return rule({ auth: { type: 'google', scopes: ['s'], values } })
  }
  expect((await read(gcs(), { credentials: credentials('/token') })).files).toEqual({ a: '644 1', b: '644 2' })
  expect(server.asked.filter((target) => target === 'POST /token').length).toBe(1)
  await expect(read(gcs(), { credentials: credentials('/other') })).rejects.toMatchObject({ code: 'forbidden' })
})

it('asks over TLS whom it can trust, and nobody else', async () => {
  const tls = selfSigned()
  await using secure = await BucketServer.open(tls)
  secure.put('data', { a: 'over TLS' })
  const source = s3({ endpoint: `https://127.0.0.1:${secure.port}` })
  await expect(read(source)).rejects.toMatchObject({ code: 'unavailable' })
  expect(secure.asked).toEqual([])
  expect((await read(source, {}, await open({ roots: [tls.cert] }))).files).toEqual({ a: '644 over TLS' })
})

it('removes what an earlier process left, and does not believe what it kept', async () => {
  server.put('data', { a: '1' })
  const { version } = await read(s3())
  await writeFile(join(dir, 'kept', 'half-of-something'), 'x')
  const again = await open()
  expect(readdirSync(join(dir, 'kept'))).not.toContain('half-of-something')
  await writeFile(
    join(dir, 'kept', version),
    (await readFile(join(dir, 'kept', version), 'utf8')).replace('"a"', '"b"'),
  )
  server.put('data', { a: '2' })
  expect((await read(s3(), { known: version }, again)).change).toBeNull()
})
