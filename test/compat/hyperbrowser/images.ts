import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { tarOf } from '@spawnpoint/contracts'
import { tar } from '@spawnpoint/images-oci/testing'
import { describe, expect, it } from 'vitest'
import { alpineLike } from '../../e2e/alpine-like.ts'
import { until } from '../vendor-world.ts'
import type { HyperWorld } from './hyper-world.ts'

const digest = (data: Buffer) => createHash('sha256').update(data).digest('hex')

interface Placed {
  build: { id: string }
  upload: { url: string }
  uploads: { sha256: string; url: string; headers: Record<string, string> }[]
}

/** Images that are built of what is sent. */
export function imageTests(at: () => HyperWorld): void {
  describe('images', () => {
    async function finished(id: string) {
      await until(async () => /completed|failed/.test((await at().client.sandboxes.getImageBuild(id)).status))
      return at().client.sandboxes.getImageBuild(id)
    }

    it('an image is made of a root filesystem that is sent', async () => {
      const rootfs = gzipSync(
        tar(
          alpineLike([
            { name: 'home/app/mine', data: 'mine\n', uid: 1001, gid: 1002 },
            { name: 'dev/null', type: 'char' },
          ]),
        ),
      )
      const input = { inputSha256: digest(rootfs), inputSizeBytes: rootfs.length }
      const { build, upload } = await at().client.sandboxes.createImageBuild({
        imageName: 'sent',
        ...input,
        inputFormat: 'rootfs_export_tar_gz',
        sourcePlatform: 'linux/amd64',
        imageConfigUser: 'app',
        imageInit: { env: { COLOUR: 'green' } },
      })
      expect(build).toMatchObject({ status: 'awaiting_upload', imageName: 'sent', imageId: null })
      await expect(at().client.sandboxes.completeImageBuild(build.id, input)).rejects.toMatchObject({ statusCode: 409 })
      const put = (url: string, body: Buffer) =>
        fetch(url, { method: upload.method, headers: upload.headers, body: new Uint8Array(body) })
      expect((await put(upload.url.replace(/signature=./, 'signature=x'), rootfs)).status).toBe(401)
      expect((await put(upload.url, Buffer.from('other'))).status).toBe(400)
      expect((await put(upload.url, rootfs)).status).toBe(200)
      expect((await at().client.sandboxes.getImageBuild(build.id)).status).toBe('upload_verified')
      const begun = await at().client.sandboxes.completeImageBuild(build.id, input)
      expect(['building', 'completed']).toContain(begun.status)
      const done = await finished(build.id)
      expect(done).toMatchObject({ status: 'completed', errorMessage: null, imageId: expect.any(String) })
      expect((await at().client.sandboxes.completeImageBuild(build.id, input)).imageId).toBe(done.imageId)
      expect((await at().client.sandboxes.listImageBuilds({ status: 'completed' })).builds.map(({ id }) => id)).toEqual(
        [build.id],
      )
      const { images } = await at().client.sandboxes.listImages()
      expect(images.map(({ id }) => id)).toContain(done.imageId)

      const sandbox = await at().client.sandboxes.create({ imageName: 'sent' })
      const result = await sandbox.exec('id -u; cat /home/app/mine; stat -c %u:%g /home/app/mine; echo $COLOUR')
      expect(result).toMatchObject({ exitCode: 0, stdout: '1001\nmine\n1001:1002\ngreen\n' })
      await sandbox.stop()
    })

    it('an image is built of a Dockerfile and the parts of its context', async () => {
      const bundles = [
        gzipSync(
          tarOf([{ name: 'Dockerfile', data: 'FROM sent\nUSER root\nCOPY a /a\nRUN cat /a > /b\nCMD ["x"]\n' }]),
        ),
        gzipSync(tarOf([{ name: 'a', data: 'from the context\n' }])),
      ]
      const contextManifest = {
        version: 1,
        dockerfilePath: 'Dockerfile',
        contextMode: 'sparse',
        bundles: bundles.map((data) => ({ sha256: digest(data), sizeBytes: data.length })),
      }
      const manifest = Buffer.from(JSON.stringify(contextManifest))
      const input = { inputSha256: digest(manifest), inputSizeBytes: manifest.length }
      const inputFormat = 'dockerfile_context_manifest_v1'
      const created = await at().call<Placed>('/images/builds', {
        imageName: 'filed',
        ...input,
        inputFormat,
        contextManifest,
      })
      expect(created.status).toBe(200)
      const { build, uploads } = created.body
      expect(uploads.map(({ sha256 }) => sha256)).toEqual(bundles.map(digest))
      for (const { sha256, url, headers } of uploads) {
        const data = bundles.find((each) => digest(each) === sha256) ?? Buffer.alloc(0)
        expect((await fetch(url, { method: 'PUT', headers, body: new Uint8Array(data) })).status).toBe(200)
      }
      await at().client.sandboxes.completeImageBuild(build.id, input)
      expect(await finished(build.id)).toMatchObject({ status: 'completed' })
      const sandbox = await at().client.sandboxes.create({ imageName: 'filed' })
      expect(await sandbox.exec('cat /b')).toMatchObject({ exitCode: 0, stdout: 'from the context\n' })
      await sandbox.stop()
    })

    it("an image is made of the layers of one that `docker save` has written, as Python's client sends them", async () => {
      const layers = [
        tar(alpineLike([{ name: 'home/app/gone', data: 'x', uid: 1001 }])),
        tar([
          { name: 'home/app/.wh.gone', data: '' },
          { name: 'home/app/layered', data: 'second\n', uid: 1001, gid: 1002 },
        ]),
      ]
      const platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch }
      const diffIds = layers.map((data) => `sha256:${digest(data)}`)
      const config = {
        ...platform,
        config: { User: 'root', Cmd: ['/bin/no'] },
        rootfs: { type: 'layers', diff_ids: diffIds },
      }
      const data = Buffer.from(JSON.stringify(config))
      const dockerImageManifest = {
        version: 1,
        imageDigest: `sha256:${digest(data)}`,
        config: { sha256: digest(data), sizeBytes: data.length, dataBase64: data.toString('base64') },
        layers: layers.map((layer) => ({ sha256: digest(layer), sizeBytes: layer.length })),
      }
      const manifest = Buffer.from(JSON.stringify(dockerImageManifest))
      const input = { inputSha256: digest(manifest), inputSizeBytes: manifest.length }
      const order = { imageName: 'saved', ...input, inputFormat: 'docker_image_manifest_v1', dockerImageManifest }
      // What Python's client makes of an image's ENTRYPOINT and CMD.
      const args = ['/bin/sh', '-c', 'echo started > /tmp/started; sleep 1000']
      const start = { imageConfigUser: 'app', imageInit: { args } }
      const wrong = { ...dockerImageManifest.config, sha256: '0'.repeat(64) }
      const other = { ...order, dockerImageManifest: { ...dockerImageManifest, config: wrong } }
      expect((await at().call<Placed>('/images/builds', other)).status).toBe(400)
      const { build, uploads } = (await at().call<Placed>('/images/builds', { ...order, ...start })).body
      expect(uploads.map(({ sha256 }) => sha256)).toEqual(layers.map(digest))
      for (const [index, { url, headers }] of uploads.entries()) {
        const body = new Uint8Array(layers[index] ?? Buffer.alloc(0))
        expect((await fetch(url, { method: 'PUT', headers, body })).status).toBe(200)
      }
      await at().client.sandboxes.completeImageBuild(build.id, input)
      expect(await finished(build.id)).toMatchObject({ status: 'completed', errorMessage: null })
      const known = { imageName: 'saved', sourceImageDigest: dockerImageManifest.imageDigest, ...start }
      expect((await at().call('/images/builds/reuse', known)).body).toMatchObject({
        hit: true,
        build: { id: build.id },
      })
      const sandbox = await at().client.sandboxes.create({ imageName: 'saved' })
      const result = await sandbox.exec('id -u; cd /home/app; cat layered; ls gone')
      expect(result).toMatchObject({ stdout: '1001\nsecond\n', stderr: expect.stringContaining('gone') })
      await until(async () => (await sandbox.exec('cat /tmp/started')).stdout === 'started\n')
      await sandbox.stop()
    })

    it('builds are canceled before they begin, and say why they failed', async () => {
      const context = gzipSync(tarOf([{ name: 'Dockerfile', data: 'FROM sent\nRUN exit 3\n' }]))
      const input = { inputSha256: digest(context), inputSizeBytes: context.length }
      const order = {
        ...{ imageName: 'fails', ...input, inputFormat: 'dockerfile_context_tar_gz' },
        ...{ vcpus: 64_000, memMiB: 512 },
      }
      const first = (await at().call<Placed>('/images/builds', order)).body
      expect(await at().client.sandboxes.cancelImageBuild(first.build.id)).toMatchObject({ status: 'canceled' })
      await expect(at().client.sandboxes.completeImageBuild(first.build.id, input)).rejects.toMatchObject({
        statusCode: 409,
      })
      const next = (await at().call<Placed>('/images/builds', order)).body
      await fetch(next.upload.url, { method: 'PUT', body: new Uint8Array(context) })
      await at().client.sandboxes.completeImageBuild(next.build.id, input)
      expect(await finished(next.build.id)).toMatchObject({
        status: 'failed',
        errorMessage: 'Dockerfile:2: [2/2] failed with exit code 3',
      })
      expect(await at().client.sandboxes.deleteImage('filed')).toMatchObject({ deleted: true, imageName: 'filed' })
      await expect(at().client.sandboxes.deleteImage('filed')).rejects.toMatchObject({ statusCode: 404 })
      await expect(at().client.sandboxes.getImageBuild('nothing')).rejects.toMatchObject({ statusCode: 404 })
      expect(
        (await at().call<Placed>('/images/builds', { ...order, inputFormat: 'docker_image_manifest_v1' })).status,
      ).toBe(400)
      expect((await at().call<Placed>('/images/builds', { ...order, imageName: 'no name' })).status).toBe(400)
    })

    it('a build that has begun is canceled, and leaves nothing', async () => {
      const context = gzipSync(tarOf([{ name: 'Dockerfile', data: 'FROM sent\nRUN sleep 1000\n' }]))
      const input = { inputSha256: digest(context), inputSizeBytes: context.length }
      const order = { imageName: 'endless', ...input, inputFormat: 'dockerfile_context_tar_gz' }
      const { build, upload } = (await at().call<Placed>('/images/builds', order)).body
      await fetch(upload.url, { method: 'PUT', body: new Uint8Array(context) })
      const { client, world } = at()
      await client.sandboxes.completeImageBuild(build.id, input)
      const [image] = await world.client.images.list({ name: 'endless' }).toArray()
      // Until the step runs.
      await until(async () => {
        const entries = await Array.fromAsync(world.client.images.log(String(image?.id)))
        return entries.some(({ message }) => message.includes('RUN sleep'))
      })
      await expect(client.sandboxes.createImageBuild({ imageName: 'endless', ...input })).rejects.toMatchObject({
        statusCode: 409,
        code: 'image_build_in_progress',
        details: { build: { id: build.id } },
      })
      expect(await client.sandboxes.cancelImageBuild(build.id)).toMatchObject({
        status: 'canceled',
        imageId: image?.id,
      })
      const { builds } = await client.sandboxes.listImageBuilds({ status: 'canceled' })
      expect(builds.map(({ imageName }) => imageName)).toEqual(['endless', 'fails'])
      expect((await client.sandboxes.listImages({ search: 'endless' })).images).toEqual([])
    })
  })
}
