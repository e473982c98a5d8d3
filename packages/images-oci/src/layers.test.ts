import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RegistryAccess } from '@spawnpoint/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { OciImageBuilder } from './oci-image-builder.ts'
import { DockerRegistry, USER } from './testing/docker-registry.ts'
import { type MadeImage, makeImage, makeImageOf } from './testing/image.ts'
import { BreakingProxy, OddRegistry } from './testing/odd-registry.ts'

const MIB = 2 ** 20
const never = new AbortController().signal
let registry: DockerRegistry
let scratch: string

beforeAll(async () => {
  registry = await DockerRegistry.start({ auth: true })
})
afterAll(() => registry?.[Symbol.asyncDispose]())
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'spawnpoint-oci-'))
  mkdirSync(join(scratch, 'imports'))
})
afterEach(() => rmSync(scratch, { recursive: true }))

const open = (cacheBytes = 2 ** 30) =>
  OciImageBuilder.open({ dir: join(scratch, 'oci'), importsDir: join(scratch, 'imports'), cacheBytes, pauseMs: 5 })

async function build(builder: OciImageBuilder, reference: string, access: RegistryAccess | null = USER) {
  const target = mkdtempSync(join(scratch, 'target-'))
  const fractions: number[] = []
  await builder.build(
    { type: 'oci', reference },
    target,
    ({ step, fraction }) => void (step === 'download' && fractions.push(fraction ?? -1)),
    never,
    access,
  )
  return { target, fractions }
}

const base = makeImage({ layers: [{ packing: 'plain', entries: [{ name: 'base', data: randomBytes(3 * MIB) }] }] })
/** The base with a layer of its own on top. */
function onBase(name: string): MadeImage {
  const own = makeImage({ layers: [{ entries: [{ name, data: randomBytes(MIB) }], packing: 'plain' }] })
  return makeImageOf([...base.layers, ...own.layers])
}

const files = () =>
  readdirSync(join(scratch, 'oci/layers'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort()

describe('layers', () => {
  it('are fetched once and shared between images', async () => {
    const proxy = await BreakingProxy.start(registry.host)
    onTestFinished(() => proxy[Symbol.asyncDispose]())
    const [one, two] = [onBase('one'), onBase('two')]
    await registry.push('shared', 'one', one)
    await registry.push('shared', 'two', two)
    const builder = await open()
    await build(builder, `${proxy.host}/shared:one`)
    await build(builder, `${proxy.host}/shared:two`)
    const again = await build(await open(), `${proxy.host}/shared:two`)
    expect(readFileSync(join(again.target, 'base')).length).toBe(3 * MIB)
    const fetched = proxy.requests.filter((request) => request.startsWith('GET blobs/'))
    const wanted = [one, two].flatMap(({ config, layers }) => [config, ...layers])
    // Once to be asked for a password.
    expect(new Set(fetched)).toEqual(new Set(wanted.map(({ digest }) => `GET blobs/${digest}`)))
    expect(fetched.length).toBeLessThanOrEqual(new Set(fetched).size + 2)
    expect(again.fractions.at(-1)).toBe(1)
  })

  it('are fetched once by builds at the same time', async () => {
    const odd = await OddRegistry.start()
    onTestFinished(() => odd[Symbol.asyncDispose]())
    odd.has(base)
    const builder = await open()
    await Promise.all([1, 2, 3].map(() => build(builder, `${odd.host}/image`, null)))
    const [layer] = base.layers
    expect(odd.requests.filter((request) => request === `GET blobs/${layer?.digest}`)).toHaveLength(1)
  })

  it('are gone on with after a break, in the same pull and in a later one', async () => {
    const proxy = await BreakingProxy.start(registry.host)
    onTestFinished(() => proxy[Symbol.asyncDispose]())
    await registry.push('broken', '1', base)
    const [layer] = base.layers
    const asked = () => proxy.requests.filter((request) => request.startsWith(`GET blobs/${layer?.digest}`))
    proxy.afterBytes = MIB
    proxy.breaks = 2
    const { target, fractions } = await build(await open(), `${proxy.host}/broken:1`)
    expect(readFileSync(join(target, 'base')).length).toBe(3 * MIB)
    expect(asked().filter((request) => request.includes('bytes='))).toHaveLength(2)
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))

    rmSync(join(scratch, 'oci/layers'), { recursive: true })
    proxy.breaks = Number.POSITIVE_INFINITY
    proxy.afterBytes = 300_000
    await expect(build(await open(), `${proxy.host}/broken:1`)).rejects.toMatchObject({ code: 'unavailable' })
    expect(files().filter((name) => name.endsWith('.part'))).toHaveLength(1)
    proxy.requests.length = 0
    proxy.breaks = 0
    await build(await open(), `${proxy.host}/broken:1`)
    const resumed = asked()
    expect(resumed.length).toBeGreaterThan(0)
    for (const request of resumed) expect(Number(/bytes=(\d+)-$/.exec(request)?.[1])).toBeGreaterThanOrEqual(300_000)
    expect(files().filter((name) => name.endsWith('.part'))).toEqual([])
  }, 60_000)

  it('are begun anew where the registry cannot begin in the middle, or what is there is spoilt', async () => {
    const odd = await OddRegistry.start()
    onTestFinished(() => odd[Symbol.asyncDispose]())
    odd.has(base)
    const [layer] = base.layers
    if (layer === undefined) throw new Error('no layer')
    const dir = join(scratch, 'oci/layers', encodeURIComponent(odd.host))
    const part = join(dir, `${layer.digest.slice(7)}.part`)
    mkdirSync(dir, { recursive: true })
    writeFileSync(part, layer.bytes.subarray(0, MIB))
    odd.odd = (path, _request, response) => {
      if (path !== `blobs/${layer.digest}`) return false
      response.writeHead(200, { 'content-length': layer.bytes.length }).end(layer.bytes)
      return true
    }
    await build(await open(), `${odd.host}/image`, null)

    odd.odd = () => false
    rmSync(join(dir, layer.digest.slice(7)))
    writeFileSync(part, Buffer.alloc(MIB, 'spoilt'))
    await build(await open(), `${odd.host}/image`, null)

    odd.odd = (_path, request, response) => {
      if (request.headers.range === undefined) return false
      response.writeHead(416).end()
      return true
    }
    rmSync(join(dir, layer.digest.slice(7)))
    writeFileSync(part, layer.bytes.subarray(0, MIB))
    await build(await open(), `${odd.host}/image`, null)

    odd.odd = () => false
    odd.requests.length = 0
    writeFileSync(join(dir, layer.digest.slice(7)), 'spoilt on the disk')
    const { target } = await build(await open(), `${odd.host}/image`, null)
    expect(readFileSync(join(target, 'base')).length).toBe(3 * MIB)
    expect(odd.requests).toContain(`GET blobs/${layer.digest}`)
  })

  it('are taken from the cache only by who may have them', async () => {
    await registry.push('private', '1', base)
    const builder = await open()
    await build(builder, `${registry.host}/private:1`)
    await expect(build(builder, `${registry.host}/private:1`, null)).rejects.toMatchObject({ code: 'forbidden' })
    // A registry of a stranger that names the same layer without having it.
    const odd = await OddRegistry.start()
    onTestFinished(() => odd[Symbol.asyncDispose]())
    odd.has({ ...base, layers: [] })
    await expect(build(builder, `${odd.host}/image`, null)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('are kept up to the bound, those used last', async () => {
    const images = ['a', 'b', 'c'].map((name) =>
      makeImage({ layers: [{ packing: 'plain', entries: [{ name, data: randomBytes(2 * MIB) }] }] }),
    )
    const builder = await open(5 * MIB)
    for (const [index, image] of images.entries()) {
      await registry.push('bounded', `${index}`, image)
      await build(builder, `${registry.host}/bounded:${index}`)
      // As if a day had passed.
      for (const name of files()) {
        const path = join(scratch, 'oci/layers', encodeURIComponent(registry.host), name)
        utimesSync(path, new Date(), new Date(statSync(path).mtimeMs - 86_400_000))
      }
    }
    const kept = images.map(({ layers }) => files().includes(layers[0]?.digest.slice(7) ?? ''))
    expect(kept).toEqual([false, true, true])
  })
})
