import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { OciImageBuilder } from './oci-image-builder.ts'
import { makeImage, writeLayout } from './testing/image.ts'

let scratch: string
const never = new AbortController().signal
const image = makeImage({
  layers: [
    { entries: [{ name: 'file', data: 'one', uid: 7 }] },
    { entries: [{ name: 'late', data: 'two' }], packing: 'plain' },
  ],
  config: { Env: ['A=b'], Cmd: ['run'], User: 'app' },
})

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'spawnpoint-oci-'))
  for (const name of ['imports', 'target', 'elsewhere']) mkdirSync(join(scratch, name))
})
afterEach(() => rmSync(scratch, { recursive: true }))

const imports = (name: string) => join(scratch, 'imports', name)
const sh = (script: string) => execFileSync('sh', ['-euc', script], { cwd: join(scratch, 'imports'), stdio: 'pipe' })
async function build(reference: string, maxBytes = 2 ** 30) {
  rmSync(join(scratch, 'target'), { recursive: true })
  mkdirSync(join(scratch, 'target'))
  const builder = await OciImageBuilder.open({
    dir: join(scratch, 'oci'),
    importsDir: join(scratch, 'imports'),
    cacheBytes: 0,
    maxBytes,
  })
  try {
    return await builder.build({ type: 'oci', reference }, join(scratch, 'target'), () => {}, never)
  } finally {
    expect(readdirSync(join(scratch, 'oci/work'))).toEqual([])
  }
}

describe('an image in the imports directory', () => {
  it('is read from a layout, a tar of it, and what docker save writes', async () => {
    writeLayout(imports('layout'), image, 'v1')
    // As an operator would have them: made with the tools that everybody uses.
    sh(`skopeo --insecure-policy copy --quiet oci:layout:v1 oci-archive:layout.tar:v1
      skopeo --insecure-policy copy --quiet oci:layout:v1 docker-archive:saved.tar:team/app:v1
      gzip --keep saved.tar; zstd -q --keep layout.tar; chmod 600 *.tar; chown 12345 saved.tar`)
    for (const reference of [
      'oci:layout',
      'oci:layout:v1',
      'oci-archive:layout.tar',
      'oci-archive:layout.tar:v1',
      'docker-archive:saved.tar',
      'docker-archive:saved.tar:team/app:v1',
      'docker-archive:saved.tar.gz',
      'oci-archive:layout.tar.zst',
    ]) {
      const { defaults, source } = await build(reference)
      expect(defaults).toMatchObject({ env: { A: 'b' }, startCommand: ['run'], user: 'app' })
      expect(source).toMatchObject({ reference, digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) })
      expect(readFileSync(join(scratch, 'target/file'), 'utf8')).toBe('one')
      expect(readFileSync(join(scratch, 'target/late'), 'utf8')).toBe('two')
    }
  })

  it('that is not there, lies elsewhere, or is no image is refused', async () => {
    writeLayout(join(scratch, 'elsewhere/layout'), image)
    symlinkSync('../elsewhere/layout', imports('link'))
    writeFileSync(imports('junk'), 'no archive at all')
    mkdirSync(imports('empty'))
    for (const reference of ['oci:missing', 'oci:link', 'oci:junk', 'oci-archive:empty']) {
      await expect(build(reference)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
    for (const reference of ['oci:empty', 'oci-archive:junk', 'docker-archive:junk']) {
      await expect(build(reference)).rejects.toMatchObject({
        code: 'runtime_failed',
        message: expect.stringMatching(/^Could not read the image: /),
      })
    }
  })

  it('that is broken inside, or leads out of its directory, is refused', async () => {
    writeLayout(imports('lie'), image)
    const [layer] = image.layers
    writeFileSync(imports(`lie/blobs/sha256/${layer?.digest.slice(7)}`), 'something else')
    await expect(build('oci:lie')).rejects.toMatchObject({ code: 'runtime_failed' })

    writeLayout(imports('leading'), image)
    writeFileSync(join(scratch, 'elsewhere/secret'), layer?.bytes ?? '')
    rmSync(imports(`leading/blobs/sha256/${layer?.digest.slice(7)}`))
    symlinkSync(join(scratch, 'elsewhere/secret'), imports(`leading/blobs/sha256/${layer?.digest.slice(7)}`))
    await expect(build('oci:leading')).rejects.toMatchObject({ code: 'runtime_failed' })
  })

  it('that unpacks to too much is stopped on the way', async () => {
    sh('truncate -s 300M zeros; tar --create --gzip --file bomb.tar.gz zeros; rm zeros')
    await expect(build('oci-archive:bomb.tar.gz', 20_000_000)).rejects.toMatchObject({ code: 'payload_too_large' })
  })
})
