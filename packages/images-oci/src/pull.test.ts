import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BuildProgress, RegistryAccess } from '@spawnpoint/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OciImageBuilder } from './oci-image-builder.ts'
import { DockerRegistry, USER } from './testing/docker-registry.ts'
import { indexOf, MACHINE, makeImage } from './testing/image.ts'
import { OddRegistry } from './testing/odd-registry.ts'

const never = new AbortController().signal
let registry: DockerRegistry
let closed: DockerRegistry
let scratch: string
let builder: OciImageBuilder

beforeAll(async () => {
  ;[registry, closed] = await Promise.all([DockerRegistry.start(), DockerRegistry.start({ auth: true })])
})
afterAll(() => Promise.all([registry?.[Symbol.asyncDispose](), closed?.[Symbol.asyncDispose]()]))
beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'spawnpoint-oci-'))
  for (const name of ['imports', 'target', 'outside']) mkdirSync(join(scratch, name))
  builder = await OciImageBuilder.open({
    dir: join(scratch, 'oci'),
    importsDir: join(scratch, 'imports'),
    cacheBytes: 2 ** 30,
    pauseMs: 5,
  })
})
afterEach(() => rmSync(scratch, { recursive: true }))

const target = (...path: string[]) => join(scratch, 'target', ...path)
const progress: BuildProgress[] = []
function build(reference: string, access: RegistryAccess | null = null) {
  progress.length = 0
  rmSync(target(), { recursive: true })
  mkdirSync(target())
  return builder.build({ type: 'oci', reference }, target(), (at) => progress.push(at), never, access)
}
const attribute = (path: string, name: string) =>
  execFileSync('python3', ['-c', `import os; print(os.getxattr('${path}', '${name}').hex())`], {
    encoding: 'utf8',
  }).trim()

describe('an image of a registry', () => {
  it('is unpacked with owners, modes, links, attributes and capabilities, and without what later layers took away', async () => {
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')
    const image = makeImage({
      layers: [
        {
          entries: [
            { name: './', type: 'dir', mode: 0o751 },
            { name: 'bin/', type: 'dir' },
            { name: 'bin/tool', data: 'tool', mode: 0o4755, uid: 1234, gid: 4321, xattrs: { 'user.colour': 'blue' } },
            { name: 'bin/hard', type: 'hardlink', link: 'bin/tool' },
            { name: 'bin/soft', type: 'symlink', link: '/etc/passwd' },
            { name: 'bin/ping', data: 'ping', mode: 0o755, xattrs: { 'security.capability': capability } },
            { name: 'gone/one', data: '1' },
            { name: 'gone/two', data: '2' },
            { name: 'emptied/old', data: 'old' },
            { name: 'tree/leaf', data: 'leaf' },
          ],
        },
        {
          packing: 'zstd',
          entries: [
            { name: 'gone/.wh.one' },
            { name: 'emptied/new', data: 'new' },
            { name: 'emptied/.wh..wh..opq' },
            { name: '.wh.tree' },
            { name: 'dev/null', type: 'char', device: [1, 3] },
            { name: 'dev/disk', type: 'block', device: [8, 0] },
            { name: 'dev/pipe', type: 'fifo' },
          ],
        },
        { packing: 'plain', entries: [{ name: 'bin/late', data: 'late' }] },
      ],
    })
    await registry.push('team/whole', '1', image)
    await build(`${registry.host}/team/whole:1`)
    expect(statSync(target()).mode & 0o7777).toBe(0o751)
    expect(statSync(target('bin/tool'))).toMatchObject({ uid: 1234, gid: 4321, mode: 0o104755, nlink: 2 })
    expect(attribute(target('bin/tool'), 'user.colour')).toBe(Buffer.from('blue').toString('hex'))
    expect(attribute(target('bin/ping'), 'security.capability')).toBe(capability.toString('hex'))
    expect(readlinkSync(target('bin/soft'))).toBe('/etc/passwd')
    expect(readFileSync(target('bin/late'), 'utf8')).toBe('late')
    expect(readdirSync(target('gone'))).toEqual(['two'])
    expect(readdirSync(target('emptied'))).toEqual(['new'])
    expect(existsSync(target('tree'))).toBe(false)
    expect(readdirSync(target('dev'))).toEqual(['pipe'])
    for (const name of ['.spawnpoint', 'proc', 'sys', 'run', 'tmp']) {
      expect(lstatSync(target(name)).isDirectory()).toBe(true)
    }
    expect(readdirSync(join(scratch, 'oci/work'))).toEqual([])
  })

  it('gives its own config: environment, user, directory, command, ports, labels, and the digest it stood for', async () => {
    const image = makeImage({
      docker: true,
      layers: [{ entries: [{ name: 'a', data: 'a' }] }],
      config: {
        Env: ['PATH=/opt/bin:/bin', 'EMPTY=', 'ODD=a=b', '=nameless'],
        User: '1001:1002',
        WorkingDir: '/srv/app',
        Entrypoint: ['/entry', '--flag'],
        Cmd: ['serve'],
        ExposedPorts: { '8080/tcp': {}, '53/udp': {}, '80': {}, 'x/tcp': {} },
        Labels: { 'org.opencontainers.image.title': 'app', bad: 3 },
      },
    })
    await registry.push('app', 'v1', image)
    expect(await build(`${registry.host}/app:v1`)).toEqual({
      defaults: {
        env: { PATH: '/opt/bin:/bin', EMPTY: '', ODD: 'a=b' },
        user: '1001:1002',
        workdir: '/srv/app',
        startCommand: ['/entry', '--flag', 'serve'],
        entrypoint: ['/entry', '--flag'],
        exposedPorts: [80, 8080],
      },
      labels: { 'org.opencontainers.image.title': 'app' },
      source: { type: 'oci', reference: `${registry.host}/app:v1`, digest: image.manifest.digest },
    })
  })

  it('may be named by digest, and is chosen from an index for this machine', async () => {
    const of = (name: string, architecture: string) =>
      makeImage({ architecture, layers: [{ entries: [{ name, data: name }] }] })
    const [mine, other] = [of('mine', MACHINE), of('other', 's390x')]
    const index = indexOf({ 'linux/s390x': other, [`linux/${MACHINE}`]: mine, 'unknown/unknown': other })
    await registry.pushIndex('multi', 'latest', index, [mine, other])
    const { source } = await build(`${registry.host}/multi`)
    expect(source).toMatchObject({ digest: index.digest })
    expect(readdirSync(target())).toContain('mine')
    await build(`${registry.host}/multi@${index.digest}`)
    expect(readdirSync(target())).toContain('mine')
    await build(`${registry.host}/multi:latest@${mine.manifest.digest}`)
    expect(readdirSync(target())).toContain('mine')

    const wrong = { code: 'incompatible', context: { needs: `linux/${MACHINE}`, has: 'linux/s390x' } }
    await expect(build(`${registry.host}/multi@${other.manifest.digest}`)).rejects.toMatchObject(wrong)
    await registry.pushIndex('foreign', 'latest', indexOf({ 'linux/s390x': other }), [other])
    await expect(build(`${registry.host}/foreign`)).rejects.toMatchObject(wrong)
  })

  it('that is not there, or whose registry is not, is an error that says so', async () => {
    await expect(build(`${registry.host}/no/such:1`)).rejects.toMatchObject({
      code: 'not_found',
      message: `No such image: ${registry.host}/no/such:1`,
    })
    const address = registry.host.replace(/\d+$/, '1')
    await expect(build(`${address}/a`)).rejects.toMatchObject({
      code: 'unavailable',
      message: `The registry ${address} cannot be reached (ECONNREFUSED)`,
    })
  }, 60_000)

  it('tells how far it is', async () => {
    const data = Buffer.alloc(6 * 2 ** 20, 'spawnpoint')
    const layers = [1, 2].map((n) => ({ packing: 'plain' as const, entries: [{ name: `${n}`, data }] }))
    await registry.push('large', '1', makeImage({ layers }))
    await build(`${registry.host}/large:1`)
    const fractions = progress.filter(({ step }) => step === 'download').map(({ fraction }) => fraction ?? -1)
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
    expect(fractions.length).toBeGreaterThan(8)
    expect(fractions.at(-1)).toBe(1)
    expect([...new Set(progress.map(({ step }) => step))]).toEqual(['resolve', 'download', 'unpack'])
  })
})

describe('a registry with a token service', () => {
  it('is asked with the token that the service gave for user and password, or to anybody, and again when it has run out', async () => {
    await using tokens = await OddRegistry.start()
    await using guarded = await OddRegistry.start()
    const image = makeImage({ layers: [{ entries: [{ name: 'a', data: 'a' }] }] })
    guarded.has(image)
    let issued = 0
    const asked: unknown[] = []
    tokens.odd = (path, request, response) => {
      const url = new URL(path, 'http://x')
      asked.push([url.searchParams.get('service'), url.searchParams.get('scope'), request.headers.authorization])
      issued += 1
      response.end(JSON.stringify({ token: `token-${issued}` }))
      return true
    }
    let answered = 0
    guarded.odd = (_path, request, response) => {
      // A token is good for two requests.
      answered += 1
      if (answered % 3 !== 1 && request.headers.authorization === `Bearer token-${issued}`) return false
      const realm = `http://${tokens.host}/token`
      const challenge = `Basic realm="old", Bearer realm="${realm}",service="the registry",scope="repository:image:pull"`
      response.writeHead(401, { 'www-authenticate': challenge }).end()
      return true
    }
    await build(`${guarded.host}/image`, USER)
    expect(readFileSync(target('a'), 'utf8')).toBe('a')
    expect(issued).toBeGreaterThan(1)
    expect(asked).toContainEqual(['the registry', 'repository:image:pull', 'Basic YWxpY2U6d29uZGVybGFuZA=='])
    expect(new Set(asked.map((each) => JSON.stringify(each))).size).toBe(1)

    asked.length = 0
    answered = 0
    await build(`${guarded.host}/image`)
    expect(new Set(asked.map((each) => JSON.stringify(each)))).toEqual(
      new Set([JSON.stringify(['the registry', 'repository:image:pull', null])]),
    )
  })
})

describe('a registry with passwords', () => {
  const image = makeImage({ layers: [{ entries: [{ name: 'secret', data: 'secret' }] }] })
  beforeAll(() => closed.push('private', '1', image))

  it('hands out to whoever has user and password, and to nobody else', async () => {
    await build(`${closed.host}/private:1`, USER)
    expect(readFileSync(target('secret'), 'utf8')).toBe('secret')
    await expect(build(`${closed.host}/private:1`)).rejects.toMatchObject({ code: 'forbidden' })
    await expect(build(`${closed.host}/private:1`, { ...USER, password: 'wrong' })).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('the user or password is wrong'),
    })
    const said = await build(`${closed.host}/private:1`, { ...USER, password: 'hunter2' }).catch(String)
    expect(said).not.toContain('hunter2')
  })
})
