import { GitServer } from '@spawnpoint/remotes/testing'
import { Langsmith } from 'langsmith'
import { opaqueSecret, proxyConfig, SandboxClient, type SandboxMountConfig } from 'langsmith/sandbox'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until, VendorWorld } from '../vendor-world.ts'

let git: GitServer
let vendor: VendorWorld
let client: SandboxClient
beforeAll(async () => {
  git = await GitServer.open()
  git.commit('app', { 'README.md': 'hello\n', 'bin/run.sh': '#!/bin/sh\necho ran\n' }, { tag: 'v1' })
  vendor = await VendorWorld.start()
  client = new SandboxClient()
})
afterAll(async () => {
  await vendor?.[Symbol.asyncDispose]()
  await git?.[Symbol.asyncDispose]()
})

const mounts = (ref: { type: 'branch' | 'tag'; name: string }, more: object = {}): SandboxMountConfig => ({
  auth: {},
  // As `gitMount` makes it, which takes nothing but HTTPS.
  mounts: [
    {
      id: 'app',
      type: 'git',
      mount_path: '/mnt/mounts/app',
      git: { remote_url: git.urlOf('app', 'localhost'), ref, ...more },
    },
  ],
})
const said = async (box: { run(command: string): Promise<{ stdout: string }> }, command: string) =>
  (await box.run(command)).stdout

it('has a repository there when the box is ready, and anew in boxes of a snapshot that carries it', async () => {
  const mountConfig = mounts({ type: 'branch', name: 'main' })
  const box = await client.createSandbox({ name: 'mounted', mountConfig })
  expect(await said(box, 'cat /mnt/mounts/app/README.md; /mnt/mounts/app/bin/run.sh')).toBe('hello\nran\n')
  const generated = new Langsmith({ baseURL: `${vendor.world.url}/langsmith` })
  expect((await generated.sandboxes.boxes.retrieve('mounted')).mount_config).toEqual(mountConfig)
  await box.run('echo mine > /mnt/mounts/app/README.md')
  const bare = await generated.sandboxes.boxes.createSnapshot('mounted', { name: 'bare' })
  const carrying = await generated.sandboxes.boxes.createSnapshot('mounted', { name: 'carrying', include: ['mounts'] })
  git.commit('app', { 'README.md': 'news\n' })
  for (const [snapshot, text] of [
    [bare, 'mine\n'],
    [carrying, 'news\n'],
  ] as const) {
    const id = snapshot.id ?? ''
    await client.waitForSnapshot(id)
    const other = await client.createSandbox(id)
    expect(await said(other, 'cat /mnt/mounts/app/README.md')).toBe(text)
    await other.delete()
  }
  await box.stop()
  await box.start()
  expect(await said(box, 'cat /mnt/mounts/app/README.md')).toBe('mine\n')
  await box.delete()
})

it('has what has changed there while the box runs, if it is to look', async () => {
  git.commit('app', { 'README.md': 'before\n', old: '' })
  const box = await client.createSandbox({
    mountConfig: mounts({ type: 'branch', name: 'main' }, { refresh_interval_seconds: 1 }),
  })
  expect(await said(box, 'ls /mnt/mounts/app')).toBe('README.md\nold\n')
  git.commit('app', { 'README.md': 'after\n' })
  await until(async () => (await said(box, 'cat /mnt/mounts/app/README.md; ls -A /mnt/mounts')) === 'after\napp\n')
  expect(await said(box, 'ls /mnt/mounts/app')).toBe('README.md\n')
  await box.delete()
})

it('shows what a private repository wants to its host, and not inside', async () => {
  const secret = `Basic ${Buffer.from(`user:${crypto.randomUUID()}`).toString('base64')}`
  git.authorization = secret
  const mountConfig = mounts({ type: 'tag', name: 'v1' })
  await expect(client.createSandbox({ mountConfig })).rejects.toThrow(/private/)
  const rules = [
    { name: 'git', match_hosts: ['localhost'], headers: [{ name: 'Authorization', ...opaqueSecret(secret) }] },
  ]
  const box = await client.createSandbox({ mountConfig, proxyConfig: proxyConfig({ rules }) })
  expect(await said(box, 'cat /mnt/mounts/app/README.md')).toBe('hello\n')
  const needle = secret.slice(-20).replace(/^(.)/, '[$1]')
  expect(await said(box, `grep -rsI ${needle} /proc/[0-9]*/environ /etc /run /tmp /root /mnt`)).toBe('')
  await box.delete()
})
