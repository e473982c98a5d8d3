import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BuildProgress, type PackedRoot, parseImageReference, type RegistryAccess } from '@spawnpoint/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OciArchive } from './oci-archive.ts'
import { OciImageBuilder } from './oci-image-builder.ts'
import { DockerRegistry, USER } from './testing/docker-registry.ts'
import { MACHINE } from './testing/image.ts'
import { OddRegistry } from './testing/odd-registry.ts'

const never = new AbortController().signal
const CAPABILITY = '0100000200200000000000000000000000000000'
let open: DockerRegistry
let closed: DockerRegistry
let scratch: string
let archive: OciArchive

beforeAll(async () => {
  ;[open, closed] = await Promise.all([DockerRegistry.start(), DockerRegistry.start({ auth: true })])
})
afterAll(() => Promise.all([open?.[Symbol.asyncDispose](), closed?.[Symbol.asyncDispose]()]))
beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'spawnpoint-push-'))
  for (const name of ['root', 'outside', 'imports', 'target']) mkdirSync(join(scratch, name))
  // As a guest may leave it.
  sh(`mkdir -p bin etc home/user .spawnpoint/agent; chmod 751 .
    echo tool > bin/tool; chown 1234:4321 bin/tool; chmod 4755 bin/tool; ln bin/tool bin/hard
    ln -s /etc/passwd bin/soft; ln -s ${scratch}/outside home/user/away; echo secret > ${scratch}/outside/secret
    mkfifo home/user/pipe; mkdir -m 700 home/user/closed; echo in > home/user/closed/in
    python3 -c "import os,socket; socket.socket(socket.AF_UNIX).bind('home/user/socket')
os.setxattr('bin/tool','user.colour',b'blue'); open('bin/ping','w').write('p')
os.setxattr('bin/ping','security.capability',bytes.fromhex('${CAPABILITY}'))"`)
  archive = await OciArchive.open({
    dir: join(scratch, 'archive'),
    exportsDir: join(scratch, 'exports'),
    importsDir: join(scratch, 'imports'),
    cacheBytes: 2 ** 30,
    pauseMs: 5,
  })
})
afterEach(() => {
  expect(readdirSync(join(scratch, 'archive/work'))).toEqual([])
  rmSync(scratch, { recursive: true })
})

const sh = (script: string) => execFileSync('sh', ['-euc', script], { cwd: join(scratch, 'root'), encoding: 'utf8' })
const root = (): PackedRoot => ({
  rootPath: join(scratch, 'root'),
  sizeBytes: 100_000,
  defaults: {
    env: { PATH: '/bin', ODD: 'a=b c' },
    user: 'user:4321',
    workdir: '/home/user',
    startCommand: ['/bin/tool', '--serve'],
    exposedPorts: [8080],
  },
  labels: { tier: 'test' },
  createdAt: new Date(1_700_000_000_000),
  base: null,
})
const push = (
  reference: string,
  access: RegistryAccess | null = null,
  signal = never,
  report = (_: BuildProgress) => {},
) => archive.pushImage(root(), { reference: parseImageReference(reference), access }, report, signal)
const CONFIG = {
  Env: ['PATH=/bin', 'ODD=a=b c'],
  User: 'user:4321',
  WorkingDir: '/home/user',
  Cmd: ['/bin/tool', '--serve'],
  ExposedPorts: { '8080/tcp': {} },
  Labels: { tier: 'test' },
}

/** Unpacks a layout as others would, and looks. */
function expectRoot(layout: string): void {
  const to = join(scratch, 'target/out')
  rmSync(to, { recursive: true, force: true })
  execFileSync('umoci', ['raw', 'unpack', '--image', layout, to], { stdio: 'pipe' })
  const at = (path: string) => join(to, path)
  expect(statSync(to).mode & 0o7777).toBe(0o751)
  expect(statSync(at('bin/tool'))).toMatchObject({ uid: 1234, gid: 4321, mode: 0o104755, nlink: 2 })
  const script = `import os; print(os.getxattr('${at('bin/tool')}','user.colour'), os.getxattr('${at('bin/ping')}','security.capability').hex(), os.readlink('${at('home/user/away')}'))`
  expect(execFileSync('python3', ['-c', script], { encoding: 'utf8' }).trim()).toBe(
    `b'blue' ${CAPABILITY} ${scratch}/outside`,
  )
  expect(readFileSync(at('home/user/closed/in'), 'utf8')).toBe('in\n')
  expect(existsSync(at('.spawnpoint'))).toBe(false)
  expect(readdirSync(at('home/user')).sort()).toEqual(['away', 'closed', 'pipe'])
}

describe('an image that is pushed', () => {
  it('to a registry is what other tools take for an image, with all that it has', async () => {
    const steps = new Map<string, number[]>()
    const { digest, sizeBytes } = await push(`${open.host}/team/app:v1`, null, never, ({ step, fraction }) =>
      steps.set(step, [...(steps.get(step) ?? []), fraction ?? -1]),
    )
    const skopeo = (...args: string[]) => execFileSync('skopeo', ['--insecure-policy', ...args], { encoding: 'utf8' })
    const there = `docker://${open.host}/team/app:v1`
    const inspected = JSON.parse(skopeo('inspect', '--tls-verify=false', there))
    expect(inspected).toMatchObject({ Digest: digest, Architecture: MACHINE, Os: 'linux', Labels: { tier: 'test' } })
    const config = JSON.parse(skopeo('inspect', '--config', '--tls-verify=false', there))
    expect(config.config).toEqual(CONFIG)
    skopeo('copy', '--quiet', '--src-tls-verify=false', there, `oci:${scratch}/copied:app`)
    expectRoot(`${scratch}/copied:app`)
    expect(sizeBytes).toBeGreaterThan(500)
    expect([...steps.keys()]).toEqual(['pack', 'upload'])
    for (const fractions of steps.values()) expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
  })

  it('comes back as it went, with names and owners of any kind', async () => {
    const long = join('l'.repeat(200), 'm'.repeat(200))
    sh(`mkdir -p ${long}; echo far > ${long}/file; echo big > etc/big; chown 3000000:4000000000 etc/big
      echo latin > "$(printf 'etc/gr\\374n')"; echo line > 'etc/new
line'; truncate -s 5M etc/sparse; touch -d 1960-01-02 etc/old`)
    const { digest } = await push(`${open.host}/again:v1`)
    const builder = await OciImageBuilder.open({
      dir: join(scratch, 'oci'),
      importsDir: join(scratch, 'imports'),
      cacheBytes: 2 ** 30,
    })
    const target = join(scratch, 'target/again')
    mkdirSync(target)
    const source = { type: 'oci' as const, reference: `${open.host}/again@${digest}` }
    const { defaults, labels } = await builder.build(source, target, () => {}, never)
    expect(defaults).toEqual(root().defaults)
    expect(labels).toEqual({ tier: 'test' })
    expect(statSync(join(target, 'bin/tool'))).toMatchObject({ uid: 1234, mode: 0o104755 })
    expect(statSync(join(target, 'etc/big'))).toMatchObject({ uid: 3_000_000, gid: 4_000_000_000 })
    expect(readFileSync(join(target, long, 'file'), 'utf8')).toBe('far\n')
    expect(readdirSync(join(target, 'etc'), 'latin1').sort()).toEqual([
      'big',
      'gr\u00fcn',
      'new\nline',
      'old',
      'sparse',
    ])
    expect(statSync(join(target, 'etc/sparse')).size).toBe(5 * 2 ** 20)
    expect(statSync(join(target, 'etc/old')).mtime.getUTCFullYear()).toBe(1960)
  })

  it('goes to a registry with passwords, and not without', async () => {
    const { digest } = await push(`${closed.host}/app`, USER)
    expect(digest).toMatch(/^sha256:/)
    await expect(push(`${closed.host}/app`)).rejects.toMatchObject({ code: 'forbidden' })
    await expect(push(`${closed.host}/app`, { ...USER, password: 'wrong' })).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringMatching(/does not take .* the user or password is wrong/),
    })
  })

  it('sends nothing that is there already', async () => {
    await using odd = await OddRegistry.start()
    odd.odd = (path, request, response) => {
      request.resume()
      if (request.method === 'HEAD') response.writeHead(200).end()
      else if (request.method === 'PUT' && path.startsWith('manifests/')) response.writeHead(201).end()
      else return false
      return true
    }
    await push(`${odd.host}/image:v1`)
    expect(odd.requests.filter((request) => !request.startsWith('HEAD'))).toEqual(['PUT manifests/v1'])
  })

  it('is sent again where a connection breaks, a few times', async () => {
    await using odd = await OddRegistry.start()
    let breaks = 2
    const taken: Buffer[] = []
    odd.odd = (path, request, response) => {
      if (request.method === 'POST') {
        response.writeHead(202, { location: `http://${odd.host}/v2/image/upload?state=1` }).end()
      } else if (request.method === 'PUT' && path.startsWith('upload')) {
        breaks -= 1
        if (breaks >= 0) request.destroy()
        else {
          const pieces: Buffer[] = []
          request.on('data', (piece: Buffer) => pieces.push(piece))
          request.on('end', () => {
            taken.push(Buffer.concat(pieces))
            response.writeHead(201).end()
          })
        }
      } else if (request.method === 'PUT') {
        request.resume()
        response.writeHead(201).end()
      } else return false
      return true
    }
    await push(`${odd.host}/image:v1`)
    expect(taken).toHaveLength(2)
    breaks = Number.POSITIVE_INFINITY
    await expect(push(`${odd.host}/image:v1`)).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('goes nowhere else because a registry says so', async () => {
    await using odd = await OddRegistry.start()
    for (const location of ['http://169.254.169.254/x', 'file:///etc/passwd', '']) {
      odd.odd = (_path, request, response) => {
        request.resume()
        if (request.method !== 'POST') return false
        response.writeHead(202, { location }).end()
        return true
      }
      await expect(push(`${odd.host}/image:v1`)).rejects.toMatchObject({
        code: expect.stringMatching(/runtime_failed|not_found/),
      })
    }
  })

  it('to a file is a layout, a tar of one, or what docker load reads; never over another', async () => {
    const sizes = await Promise.all([
      push('oci:layout:v1'),
      push('oci-archive:app.tar:v2'),
      push('docker-archive:d.tar:a/b:v3'),
    ])
    expect(new Set(sizes.map(({ digest }) => digest)).size).toBe(1)
    const exports = (name: string) => join(scratch, 'exports', name)
    expectRoot(`${exports('layout')}:v1`)
    const copy = (from: string) => {
      const to = `oci:${scratch}/from-${from.split(':')[0]}:x`
      execFileSync('skopeo', ['--insecure-policy', 'copy', '--quiet', from, to], { stdio: 'pipe' })
      expectRoot(to.slice('oci:'.length))
    }
    copy(`oci-archive:${exports('app.tar')}:v2`)
    copy(`docker-archive:${exports('d.tar')}:a/b:v3`)
    const manifest = JSON.parse(execFileSync('tar', ['-xOf', exports('d.tar'), 'manifest.json'], { encoding: 'utf8' }))
    expect(manifest[0].RepoTags).toEqual(['docker.io/a/b:v3'])
    writeFileSync(exports('mine'), 'mine')
    for (const reference of ['oci:mine', 'oci-archive:mine', 'docker-archive:app.tar']) {
      await expect(push(reference)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
    expect(readFileSync(exports('mine'), 'utf8')).toBe('mine')
  })

  it('stops when told to', async () => {
    const stop = new AbortController()
    const pushing = push('oci:stopped', null, stop.signal, () => stop.abort())
    await expect(pushing).rejects.toMatchObject({ code: 'cancelled' })
    expect(existsSync(join(scratch, 'exports/stopped'))).toBe(false)
  })

  it('of a root that is not there is an error', async () => {
    rmSync(join(scratch, 'root'), { recursive: true })
    await expect(push('oci:none')).rejects.toMatchObject({ code: 'runtime_failed' })
    mkdirSync(join(scratch, 'root'))
  })
})
