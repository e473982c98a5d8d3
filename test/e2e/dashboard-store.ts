import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DockerRegistry, makeImage, USER } from '@spawnpoint/images-oci/testing'
import { Spawnpoint } from 'spawnpoint'
import { expect, it, onTestFinished } from 'vitest'
import { alpineLike } from './alpine-like.ts'
import type { Dashboard } from './dashboard-parts.ts'

/** Images, registries, volumes, schedules, teams: what sandboxes are made from, and who may have how much. */
export function storeTests(at: () => Dashboard): void {
  it('stores a registry’s password, pulls an image with it, builds on that, and checks and pushes a snapshot', async () => {
    const { page, world, nav, button, dialog, row } = at()
    await using registry = await DockerRegistry.start({ auth: true })
    await registry.push('small', 'v1', makeImage({ layers: [{ entries: alpineLike() }] }))
    await nav('Registries').click()
    await button('New registry').click()
    await dialog().getByLabel('Name').fill('ours')
    await dialog().getByLabel('Address').fill(`http://${registry.host}`)
    await dialog().getByLabel('User').fill(USER.username)
    await dialog().getByLabel('Password').fill(USER.password)
    await at().submit('Save')
    await row('ours').getByText(USER.username).waitFor()

    await nav('Images').click()
    await button('Pull').click()
    await dialog().getByLabel('Reference').fill(`${registry.host}/small:v1`)
    await at().submit('Pull')
    await row('small').locator('.badge.good').waitFor()

    await button('Build').click()
    await dialog().getByLabel('Name').fill('made')
    await dialog().getByLabel('From').selectOption('small')
    await dialog().getByLabel('Commands').fill('echo made > /made')
    await at().submit('Build')
    await row('small and 1 step').locator('.badge.good').waitFor()

    await button('Build').click()
    await dialog().getByLabel('Name').fill('copied')
    await dialog().getByLabel('Of', { exact: true }).selectOption('A Dockerfile')
    await page.getByLabel('Directory to copy from').setInputFiles(context())
    await dialog()
      .getByText(/^context-\w+, 3 files$/)
      .waitFor()
    await at().submit('Build')
    await row('copied').locator('.badge.good').waitFor()
    await at().choose('Actions for copied', 'Log')
    await dialog().locator('.log', { hasText: 'from the directory' }).waitFor()
    await at().submit('Close')

    const tiny = await world.client.sandboxes.create({ image: 'made', name: 'tiny' })
    await tiny.snapshot({ name: 'packed' })
    await nav('Snapshots').click()
    await at().choose('Actions for packed', 'Check')
    await page.getByText('packed is whole').waitFor()
    await at().choose('Actions for packed', 'Push')
    await dialog().getByLabel('Reference').fill(`${registry.host}/snapshots/packed:v1`)
    await dialog().getByRole('button', { name: 'Push', exact: true }).click()
    await dialog()
      .getByText(/^sha256:[0-9a-f]{64}$/)
      .waitFor()
    await at().submit('Done')
    await button('Pull').click()
    await dialog().getByLabel('Reference').fill(`${registry.host}/snapshots/packed:v1`)
    await dialog().getByLabel('Name here').fill('pulled')
    await at().submit('Pull')
    await row('pulled').locator('.badge.good').waitFor()

    await nav('Registries').click()
    await at().choose('Actions for ours', 'Delete')
    await at().submit('Delete')
    await page.getByText('No registry yet').waitFor()
  })

  it('changes a sandbox: labels, time, network, and credentials whose secrets it never shows', async () => {
    const { page, world, button, dialog, row } = at()
    const tiny = await world.client.sandboxes.get('tiny')
    await at().goto(`/sandboxes/${tiny.id}`)
    await button('Change identity').click()
    await dialog().getByLabel('Labels').fill('project=demo')
    await at().submit('Save')
    await page.getByText('project: demo').waitFor()
    await button('Change time').click()
    await dialog().getByLabel('Timeout').fill('2h')
    await dialog().getByLabel('Then').selectOption('Pause it')
    await at().submit('Save')
    await page.getByText('pause after 2 h').waitFor()
    await button('Change network').click()
    await dialog().getByLabel('But these ports').fill('8080=closed')
    await at().submit('Save')
    await page.getByText('open, 8080 closed').waitFor()

    await page.getByRole('link', { name: 'Credentials' }).click()
    await button('New rule').click()
    await dialog().getByLabel('Name').fill('api')
    await dialog().getByLabel('Hosts').fill('api.example.com')
    await dialog().getByRole('button', { name: 'Save' }).click()
    await dialog().getByText("Give the value of 'authorization'").waitFor()
    await dialog().getByLabel('Value').fill('Bearer hidden')
    await at().submit('Save')
    await row('api.example.com').getByText('secret').waitFor()
    // Changed without being typed again, and turned off.
    await at().choose('Actions for api', 'Change')
    await dialog().getByText('Paths and variables').click()
    await dialog().getByLabel('Only these paths').fill('/v1/*')
    await at().submit('Save')
    await row('api.example.com').getByText('/v1/*').waitFor()
    await at().choose('Actions for api', 'Turn off')
    await row('api.example.com').getByText('rests').waitFor()
    expect((await tiny.refresh()).info.credentials).toMatchObject([
      { enabled: false, paths: ['/v1/*'], headers: [{ name: 'authorization', value: null, secret: true }] },
    ])
    expect(await page.content()).not.toContain('Bearer hidden')
  })

  it('makes a volume, and a sandbox that mounts it and has a schedule from its first moment', async () => {
    const { page, world, nav, button, dialog, row, heading } = at()
    await nav('Volumes').click()
    await button('New volume').click()
    await dialog().getByLabel('Name').fill('cache')
    await dialog().getByLabel('Size').fill('64M')
    await at().submit('Create')
    await row('cache').getByText('64.0 MiB').waitFor()

    await nav('Sandboxes').click()
    await button('New sandbox').click()
    await dialog().getByLabel('From').selectOption('Image small')
    await dialog().getByLabel('Name').fill('mounted')
    await dialog().getByText('Network, volumes, schedule').click()
    await dialog().getByLabel('Internet').selectOption('No')
    await dialog().getByLabel('Volumes').fill('cache:/data')
    await dialog().getByLabel('Snapshots by schedule').fill('0 3 * * *')
    await at().submit('Create')
    await heading('mounted').waitFor()
    const mounted = await world.client.sandboxes.get('mounted')
    expect(mounted.info).toMatchObject({ network: { internet: false }, volumes: [{ path: '/data', readOnly: false }] })

    await nav('Schedules').click()
    await row('mounted').getByText('0 3 * * *').waitFor()
    await at().choose('Actions for the schedule of mounted', 'Change')
    await dialog().getByLabel('last').fill('3')
    await at().submit('Save')
    await row('mounted').getByText('last 3').waitFor()
    await at().choose('Actions for the schedule of mounted', 'Turn off')
    await row('mounted').getByText('off', { exact: true }).waitFor()

    await nav('Volumes').click()
    await row('cache').getByRole('link', { name: 'mounted' }).waitFor()
    await button('Delete cache').click()
    await dialog().getByRole('button', { name: 'Delete' }).click()
    await dialog().getByRole('alert').waitFor()
    at().refusedWith(409)
    await mounted.kill()
    await at().submit('Delete')
    await page.getByText('No volume yet').waitFor()
  })

  it('makes a team with limits, whose first key works, and changes them', async () => {
    const { world, nav, button, dialog, row } = at()
    await nav('Teams').click()
    await button('New team').click()
    await dialog().getByLabel('Name').fill('research')
    await dialog().getByLabel('Sandboxes that run').fill('3')
    await dialog().getByRole('button', { name: 'Create' }).click()
    const secret = (await dialog().getByText(/^sp_/).textContent()) ?? ''
    await at().submit('Done')
    const research = new Spawnpoint({ url: world.url, apiKey: secret })
    expect(await research.keys.team()).toMatchObject({ name: 'research', limits: { sandboxes: 3 } })
    await button('Limits of research').click()
    await dialog().getByLabel('Their memory').fill('lots')
    await dialog().getByText('Write 512M or 16G').waitFor()
    await dialog().getByLabel('Their memory').fill('1G')
    await at().submit('Save')
    await row('research').getByText('of 1.0 GiB').waitFor()
  })
}

/** A Dockerfile and what it copies. */
function context(): string {
  const directory = mkdtempSync(join(tmpdir(), 'context-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  mkdirSync(join(directory, 'bin'))
  writeFileSync(join(directory, 'Dockerfile'), 'FROM small\nCOPY . /app/\nRUN /app/bin/say\n')
  writeFileSync(join(directory, 'bin/say'), '#!/bin/sh\ncat /app/text\n')
  writeFileSync(join(directory, 'text'), 'from the directory\n')
  return directory
}
