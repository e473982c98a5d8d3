import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DockerRegistry,
  type MadeImage,
  makeImage,
  OddRegistry,
  type TarEntry,
  USER,
  writeLayout,
} from '@spawnpoint/images-oci/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { alpineLike } from './alpine-like.ts'
import { DockerEngine } from './docker-engine.ts'
import { REPOSITORY, World } from './world.ts'

const ENV = { SPAWNPOINT_IMAGE_BYTES: String(256 * 2 ** 20) }

let world: World
let registry: DockerRegistry
let scratch: string
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'spawnpoint-oci-'))
  registry = await DockerRegistry.start({ auth: true })
  world = await World.withoutImages({ env: ENV })
})
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  await registry?.[Symbol.asyncDispose]()
  rmSync(scratch, { recursive: true, force: true })
})

async function pull(name: string, image: MadeImage) {
  await registry.push(name, 'v1', image)
  const source = { type: 'oci' as const, reference: `${registry.host}/${name}:v1` }
  return world.client.images.build({ name, source, credentials: USER })
}

/** A static program and nothing else: what `FROM scratch` gives. */
function program(source: string): Buffer {
  const file = join(scratch, 'main.go')
  writeFileSync(file, source)
  const go = /^spawnpoint_go=(.*)$/m.exec(readFileSync(join(REPOSITORY, '.cache/env'), 'utf8'))?.[1] ?? 'go'
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local', GOPROXY: 'off' }
  execFileSync(go, ['build', '-ldflags', '-s -w', '-o', join(scratch, 'program'), file], { env, stdio: 'pipe' })
  return readFileSync(join(scratch, 'program'))
}

describe('an image of a registry', () => {
  it('without a shell runs its program, as its user, in its directory, with its environment', async () => {
    const image = makeImage({
      layers: [{ entries: [{ name: 'server', data: program(SERVER), mode: 0o755 }] }],
      config: {
        Entrypoint: ['/server'],
        Cmd: ['8080'],
        Env: ['GREETING=hello'],
        User: '4711:4712',
        WorkingDir: '/srv/not/there/yet',
        ExposedPorts: { '8080/tcp': {} },
        Labels: { 'org.opencontainers.image.title': 'server' },
      },
    })
    const built = await pull('static', image)
    expect(built).toMatchObject({
      state: 'ready',
      source: { type: 'oci', reference: `${registry.host}/static:v1`, digest: image.manifest.digest },
      defaults: { user: '4711:4712', startCommand: ['/server', '8080'], exposedPorts: [8080] },
      labels: { 'org.opencontainers.image.title': 'server' },
    })
    expect(JSON.stringify(built)).not.toContain(USER.password)
    await using sandbox = await world.client.sandboxes.create({ image: 'static', env: { MORE: 'given' } })
    await expect.poll(async () => (await sandbox.fetch(8080, '/')).status).toBe(200)
    const answer = (await (await sandbox.fetch(8080, '/')).json()) as { started: number }
    expect(answer).toMatchObject({ uid: 4711, gid: 4712, cwd: '/srv/not/there/yet', greeting: 'hello', more: 'given' })

    await using clone = await (await sandbox.snapshot({ kind: 'memory' })).spawn()
    await expect.poll(async () => (await clone.fetch(8080, '/')).status).toBe(200)
    expect(await (await clone.fetch(8080, '/')).json()).toMatchObject({ started: answer.started })
  })

  it('with musl and busybox boots, and its users are who they are in it', async () => {
    const entries = alpineLike([{ name: 'data/', type: 'dir', uid: 1001, gid: 1002, mode: 0o700 }])
    await pull(
      'alpine',
      makeImage({ layers: [{ entries, packing: 'zstd' }], config: { User: 'app', Cmd: ['/bin/sh'] } }),
    )
    await using sandbox = await world.client.sandboxes.create({ image: 'alpine' })
    expect((await sandbox.run('id; touch /data/mine && stat -c %U:%G /data/mine')).stdout).toBe(
      'uid=1001(app) gid=1002(app)\napp:app\n',
    )
    expect((await sandbox.run('/lib/ld-musl-x86_64.so.1 2>&1')).stdout).toContain('musl libc')
    expect((await sandbox.run('id -u; id -g', { user: '12345' })).stdout).toBe('12345\n0\n')
    // Its home does not exist: programs start all the same.
    expect((await sandbox.run('echo $HOME; cat /proc/self/cmdline', { cwd: '/' })).exitCode).toBe(0)
  })

  it('with everything where a sandbox has something else boots all the same', async () => {
    const entries = alpineLike([
      { name: '.spawnpoint', type: 'symlink', link: '/etc' },
      { name: 'proc', type: 'symlink', link: '/etc' },
      { name: 'tmp', type: 'symlink', link: 'var/elsewhere' },
      { name: 'var/tmp', type: 'symlink', link: '../tmp' },
      { name: 'run', data: 'a file' },
      { name: 'dev/console', type: 'char', device: [5, 1] },
      { name: 'etc/hostname', type: 'symlink', link: '/etc/passwd' },
      { name: 'etc/resolv.conf', type: 'symlink', link: '/run/somewhere/resolv.conf' },
      { name: 'etc/hosts', type: 'dir' },
    ])
    await pull('odd', makeImage({ layers: [{ entries }] }))
    await using sandbox = await world.client.sandboxes.create({ image: 'odd' })
    expect((await sandbox.run('id -u')).stdout.trim()).toBe('0')
    expect((await sandbox.run('cat /etc/passwd')).stdout).toContain('app:x:1001')
  })

  it('that is set-user-id gives root inside, and nothing outside', async () => {
    await pull('suid', makeImage({ layers: [{ entries: alpineLike() }], config: { User: 'app' } }))
    await using sandbox = await world.client.sandboxes.create({ image: 'suid' })
    expect((await sandbox.run("id -u; su -c 'id -u' root")).stdout).toBe('1001\n0\n')
    const pool = join(world.dataDir, 'pool')
    const options = execFileSync('findmnt', ['--noheadings', '--output', 'OPTIONS', pool], { encoding: 'utf8' })
    expect(options.trim().split(',')).toEqual(expect.arrayContaining(['nosuid', 'nodev']))
  })
})

describe('a snapshot that is pushed as an image', () => {
  it('is what Docker runs, with its files, environment, user, directory and command', async () => {
    const entries = alpineLike([{ name: 'place/', type: 'dir', uid: 1001, gid: 1002 }])
    const [entrypoint, cmd] = [['/bin/sh', '-c'], ['echo "$GREETING from $(pwd): $(cat mine)"; id -u']]
    const startCommand = [...entrypoint, ...cmd]
    const config = {
      User: 'app',
      WorkingDir: '/place',
      Env: ['PATH=/bin', 'GREETING=hello'],
      Entrypoint: entrypoint,
      Cmd: cmd,
    }
    const origin = makeImage({ layers: [{ entries }], config })
    await pull('origin', origin)
    await using sandbox = await world.client.sandboxes.create({ image: 'origin', env: { TOKEN: 'secret' } })
    await sandbox.run('echo changed > mine; chmod 2750 .; echo temporary > /tmp/gone', { check: true })
    await sandbox.run('chown 70000:123 /place/mine; chmod 4644 /place/mine; rm /bin/ls', { user: 'root', check: true })
    const { id } = await sandbox.snapshot({ kind: 'filesystem', name: 'changed' })
    const reference = `${registry.host}/pushed:v1`
    const steps = new Set<string>()
    const pushed = await world.client.images.push(
      'changed',
      { reference, credentials: USER },
      { onProgress: ({ progress }) => progress && steps.add(progress.step) },
    )
    expect(pushed).toMatchObject({ reference, digest: expect.stringMatching(/^sha256:/) })
    expect(steps).toContain('upload')
    // The image's own layer, and what the sandbox has over it.
    const layers = await registry.layers('pushed', 'v1')
    expect(layers).toHaveLength(2)
    expect(layers[0]).toMatchObject({ digest: origin.layers[0]?.digest })
    expect(layers[1]?.size).toBeLessThan(20_000)
    await world.client.images.push(id, { reference: 'docker-archive:changed.tar:changed:v1' })

    // Elsewhere: Docker itself, out of the registry and out of the file.
    await using engine = await DockerEngine.start(registry.host, USER)
    const container = ['run', '--rm', '--network', 'none']
    expect(await engine.docker(...container, reference)).toBe('hello from /place: changed\n1001\n')
    await engine.docker('load', '--input', join(world.dataDir, 'exports/changed.tar'))
    const look = 'stat -c "%n %u:%g %a" . mine /bin/busybox /tmp; ls /bin; touch /tmp/here; ls /tmp; env'
    const said = (await engine.docker(...container, 'changed:v1', look)).split('\n')
    const files = ['. 1001:1002 2750', 'mine 70000:123 4644', '/bin/busybox 0:0 4755', '/tmp 0:0 1777']
    expect(said).toEqual(expect.arrayContaining([...files, 'touch', 'here', 'GREETING=hello', 'HOME=/home/app']))
    // Removed, left in memory, given to the sandbox alone.
    for (const line of ['ls', 'gone', 'TOKEN=secret']) expect(said).not.toContain(line)
    expect(await engine.docker(...container, '--user', '12345', 'changed:v1', 'id -u; pwd')).toBe('12345\n/place\n')

    const source = { type: 'oci' as const, reference: `${registry.host}/pushed@${pushed.digest}` }
    const again = await world.client.images.build({ name: 'again', source, credentials: USER })
    expect(again.defaults).toEqual({
      env: { PATH: '/bin', GREETING: 'hello' },
      user: 'app',
      workdir: '/place',
      startCommand,
      entrypoint,
      exposedPorts: [],
    })
    await using back = await world.client.sandboxes.create({ image: 'again' })
    expect((await back.run('cat mine; id -un; ls /tmp')).stdout).toBe('changed\napp\n')
    expect(readdirSync(join(world.dataDir, 'archive/work'))).toEqual([])
  })

  it('needs a place that takes it', async () => {
    const push = (reference: string) => world.client.images.push('origin', { reference })
    await expect(push(`${registry.host}/pushed:v2`)).rejects.toMatchObject({ code: 'forbidden' })
    await expect(push('docker-archive:changed.tar:changed:v2')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(push('127.0.0.1:1/a')).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('a stored registry', () => {
  it('opens for pulls from its address, also after a restart, and its password is nowhere in the clear', async () => {
    await registry.push('stored', 'v1', makeImage({ layers: [{ entries: alpineLike() }] }))
    const reference = `${registry.host}/stored:v1`
    const pullStored = () => world.client.images.build({ name: 'stored', source: { type: 'oci', reference } })
    await expect(pullStored()).rejects.toMatchObject({ code: 'forbidden' })
    const stored = await world.client.registries.create({ name: 'test', url: `http://${registry.host}`, ...USER })
    await world.stopServer()
    await world.startServer({ env: ENV })
    expect(await pullStored()).toMatchObject({ state: 'ready', source: { registryId: stored.id } })
    // Not in the ledger's files either: PostgreSQL writes them as they are.
    const hits = () =>
      execFileSync('grep', ['-rlaF', USER.password, '--exclude-dir=pool', '--exclude=pool.img', world.dataDir])
    expect(hits).toThrow(expect.objectContaining({ status: 1 }))
    await world.client.registries.delete('test')
    await expect(pullStored()).rejects.toMatchObject({ code: 'forbidden' })
  })
})

describe('an image in the imports directory', () => {
  it('is read from a layout', async () => {
    mkdirSync(join(world.dataDir, 'imports'), { recursive: true })
    const image = makeImage({ layers: [{ entries: alpineLike() }] })
    writeLayout(join(world.dataDir, 'imports/layout'), image, 'v1')
    const source = { type: 'oci' as const, reference: 'oci:layout:v1' }
    expect(await world.client.images.build({ name: 'local', source })).toMatchObject({ state: 'ready' })
    await using sandbox = await world.client.sandboxes.create({ image: 'local' })
    expect((await sandbox.run('echo here')).stdout).toBe('here\n')
  })
})

describe('a pull during which the server dies', () => {
  it('has failed when the next one starts, leaves nothing half done, and is gone on with by the next', async () => {
    await using odd = await OddRegistry.start()
    const image = makeImage({
      layers: [{ packing: 'plain', entries: alpineLike([{ name: 'data', data: Buffer.alloc(4 * 2 ** 20, 'data') }]) }],
    })
    const [layer] = image.layers
    if (layer === undefined) throw new Error('no layer')
    odd.has(image)
    const half = Promise.withResolvers<void>()
    odd.odd = (path, request, response) => {
      if (path !== `blobs/${layer.digest}` || request.headers.range !== undefined) return false
      response.writeHead(200, { 'content-length': layer.bytes.length })
      response.write(layer.bytes.subarray(0, layer.bytes.length / 2), () => half.resolve())
      return true
    }
    const source = { type: 'oci' as const, reference: `${odd.host}/image` }
    const parts = () =>
      execFileSync('find', [join(world.dataDir, 'oci/layers'), '-name', '*.part', '-size', '+2M'], { encoding: 'utf8' })
    const cut = world.client.images.build({ name: 'cut', source }).catch((error: unknown) => error)
    await half.promise
    await expect.poll(parts).not.toBe('')
    await world.killServer()
    await world.startServer({ env: ENV })
    expect(await cut).toMatchObject({ code: expect.stringMatching(/^(unavailable|connection)/) })
    expect(await world.client.images.list({ name: 'cut' }).toArray()).toMatchObject([{ state: 'failed' }])
    expect(readdirSync(join(world.dataDir, 'oci/work'))).toEqual([])
    // Nobody is told of what was over before they listened.
    const listening = Promise.withResolvers<void>()
    odd.until = listening.promise
    const steps = new Set<string>()
    await world.client.images.build(
      { name: 'cut', source },
      {
        onProgress: ({ progress }) => {
          listening.resolve()
          if (progress) steps.add(progress.step)
        },
      },
    )
    expect(steps).toContain('unpack')
    expect(odd.requests.filter((request) => /blobs.* bytes=\d{7,}-$/.test(request))).not.toEqual([])
    await using sandbox = await world.client.sandboxes.create({ image: 'cut' })
    expect((await sandbox.run('stat -c %s /data')).stdout.trim()).toBe(String(4 * 2 ** 20))
  })
})

describe('a pull that cannot be', () => {
  const build = (reference: string, credentials?: { username: string; password: string }) =>
    world.client.images.build({ name: 'never', source: { type: 'oci', reference }, credentials })

  it('says why, and leaves no image and no root', async () => {
    await registry.push('closed', 'v1', makeImage({ layers: [{ entries: alpineLike() }] }))
    await expect(build(`${registry.host}/closed:v1`)).rejects.toMatchObject({ code: 'forbidden' })
    await expect(build(`${registry.host}/closed:v2`, USER)).rejects.toMatchObject({ code: 'not_found' })
    await expect(build('Not/An/Image')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(build('oci:nowhere')).rejects.toMatchObject({ code: 'invalid_argument' })
    for await (const image of world.client.images.list({ name: 'never' })) {
      expect(image).toMatchObject({ state: 'failed', failure: expect.any(String) })
    }
    expect(readdirSync(join(world.dataDir, 'oci/work'))).toEqual([])
  })

  it('is stopped by the pool itself when many small files are too much', async () => {
    const entries: TarEntry[] = Array.from({ length: 5_000 }, (_, n) => ({
      name: `many/${n}`,
      data: Buffer.alloc(60_000, `${n}`),
    }))
    await registry.push('bomb', 'v1', makeImage({ layers: [{ entries }] }))
    await expect(build(`${registry.host}/bomb:v1`, USER)).rejects.toMatchObject({ code: 'payload_too_large' })
  })
})

const SERVER = `package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	started := time.Now().UnixNano() / 1000
	cwd, _ := os.Getwd()
	body := fmt.Sprintf("{\\"uid\\":%d,\\"gid\\":%d,\\"cwd\\":%q,\\"greeting\\":%q,\\"more\\":%q,\\"started\\":%d}",
		os.Getuid(), os.Getgid(), cwd, os.Getenv("GREETING"), os.Getenv("MORE"), started)
	listener, err := net.Listen("tcp", ":"+os.Args[1])
	for err == nil {
		var client net.Conn
		if client, err = listener.Accept(); err == nil {
			client.Read(make([]byte, 4096))
			fmt.Fprintf(client, "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n%s", len(body), body)
			client.Close()
		}
	}
}
`
