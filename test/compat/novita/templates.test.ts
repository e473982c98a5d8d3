import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BuildError, NotFoundError, Novita, Sandbox, Template, Volume, VolumeError, waitForFile } from 'novita-sandbox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VendorWorld, WAYS } from '../vendor-world.ts'

let vendor: VendorWorld
/** Where the files are that templates copy */
let context: string
beforeAll(async () => {
  vendor = await VendorWorld.startWithDomain()
  context = mkdtempSync(join(tmpdir(), 'spawnpoint-template-'))
  writeFileSync(join(context, 'file.txt'), 'copied')
})
afterAll(async () => {
  rmSync(context, { recursive: true, force: true })
  await vendor[Symbol.asyncDispose]()
})

describe.each(WAYS)('templates, %s', (way) => {
  beforeAll(() => vendor.by(way))

  it('are listed and found', async () => {
    const { templates, total } = await Template.list().nextPage()
    expect(total).toBe(templates.length)
    const base = templates.find(({ aliases }) => aliases.includes('base'))
    expect(base).toMatchObject({ aliases: ['base'], templateType: 'template_build', buildStatus: 'ready' })
    const templateId = base?.templateId ?? ''
    expect(await Template.get(templateId)).toMatchObject({
      templateId,
      templateType: 'template_build',
      aliases: ['base'],
      envdVersion: '0.6.13',
    })
    expect((await Template.get(templateId)).memoryMB).toBeGreaterThan(0)
    expect(await Template.exists('base')).toBe(true)
    expect(await Template.exists('nothing')).toBe(false)
    expect(await new Novita().template.delete('nothing')).toBe(false)
  })

  it('are built, started from and deleted', async () => {
    const template = Template({ fileContextPath: context })
      .fromTemplate('base')
      .setEnvs({ COLOUR: 'green' })
      .copy('file.txt', '/home/user/file.txt')
      .runCmd('echo $COLOUR > ~/colour')
      .setStartCmd('touch /tmp/started; sleep infinity', waitForFile('/tmp/started'))
    const { total } = await Template.list().nextPage()
    const lines: string[] = []
    const built = await Template.build(template, 'mine', { onBuildLogs: ({ message }) => void lines.push(message) })
    expect(lines.join('\n')).toContain('file.txt')
    const sandbox = await Sandbox.create('mine')
    const { stdout } = await sandbox.commands.run('cat ~/file.txt ~/colour; pgrep -f "sleep infinity" | wc -l')
    expect(stdout).toMatch(/^copiedgreen\n[1-9]/)
    expect(await sandbox.getInfo()).toMatchObject({ name: 'mine', templateId: built.templateId })
    await sandbox.kill()
    expect((await Template.list().nextPage()).total).toBe(total + 1)
    expect(await new Novita().template.delete(built.templateId)).toBe(true)
    expect(await Template.exists('mine')).toBe(false)
  })

  it('that fail say so', async () => {
    const template = Template().fromTemplate('base').runCmd('exit 4')
    await expect(Template.build(template, 'failing')).rejects.toThrow(BuildError)
  })

  it('list snapshots too, where they are asked for', async () => {
    const sandbox = await Sandbox.create()
    const { snapshotId } = await sandbox.createSnapshot()
    const { templates } = await Template.list({ templateType: 'snapshot_template' }).nextPage()
    expect(templates).toMatchObject([
      { templateId: snapshotId.replace(':default', ''), templateType: 'snapshot_template' },
    ])
    const shown = await Template.get(templates[0]?.templateId ?? '')
    expect(shown).toMatchObject({ templateType: 'snapshot_template', buildStatus: 'ready', aliases: [] })
    await sandbox.kill()
    expect(await Sandbox.deleteSnapshot(snapshotId)).toBe(true)
  })
})

it('volumes are given more room while they are mounted', async () => {
  vendor.by('plain')
  const volume = await Volume.create('data', { quotaSizeGiB: 1 })
  const { volumeId } = volume
  const sandbox = await Sandbox.create({ volumeMounts: { '/data': volume } })
  await vendor.run(sandbox, 'head -c 4M /dev/urandom >/data/file; sync /data/file')
  expect(await vendor.run(sandbox, 'fallocate -l 1200M /data/large 2>/dev/null || echo full')).toBe('full')
  expect(await Volume.updateQuota(volumeId, { quotaSizeGiB: 3 })).toMatchObject({ name: 'data', quotaSizeGiB: 3 })
  expect(await vendor.run(sandbox, 'fallocate -l 1200M /data/large && rm /data/large && echo fits')).toBe('fits')
  const [listed] = await Volume.list()
  expect(listed).toMatchObject({ volumeId, quotaSizeGiB: 3 })
  expect(listed?.usedSizeBytes).toBeGreaterThanOrEqual(4 * 2 ** 20)
  expect(await Volume.getInfo(volumeId)).toMatchObject({ quotaSizeGiB: 3, token: volume.token })
  await expect(Volume.updateQuota(volumeId, { quotaSizeGiB: 9999 })).rejects.toThrow(VolumeError)
  await sandbox.kill()
  expect([await Volume.destroy(volumeId), await Volume.destroy(volumeId)]).toEqual([true, false])
  await expect(Volume.updateQuota(volumeId, { quotaSizeGiB: 1 })).rejects.toThrow(NotFoundError)
})
