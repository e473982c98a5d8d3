import { DockerRegistry, makeImage, USER } from '@spawnpoint/images-oci/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { alpineLike } from '../../e2e/alpine-like.ts'
import { VendorWorld } from '../vendor-world.ts'

let vendor: VendorWorld
let registry: DockerRegistry
beforeAll(async () => {
  registry = await DockerRegistry.start({ auth: true })
  vendor = await VendorWorld.start()
  const image = makeImage({ layers: [{ entries: alpineLike() }] })
  for (const [name, tag] of [['python', '3.12-slim'] as const, ['internal/python', '3.12'] as const])
    await registry.push(name, tag, image)
})
afterAll(async () => {
  await vendor?.[Symbol.asyncDispose]()
  await registry?.[Symbol.asyncDispose]()
})

/**
 * The samples of LangSmith's documentation on snapshots, as they are there but for where their images are: the registry is
 * one of this machine, whose password a stored registry has, as this client sends none with a build any more.
 */
describe('documentation', () => {
  it('works from the first sample to the last', async () => {
    const printed: unknown[][] = []
    const console = { log: (...values: unknown[]) => void printed.push(values) }
    const { SandboxClient } = await import('langsmith/experimental/sandbox')

    const client = new SandboxClient()
    await client.registries.create({ name: 'here', url: `http://${registry.host}`, ...USER })

    const snapshot = await client.createSnapshot(
      'python',
      `${registry.host}/python:3.12-slim`,
      1_073_741_824, // 1 GiB
    )

    console.log(snapshot.id)
    {
      const { id: registryId } = await client.registries.retrieve('here')
      const snapshot = await client.createSnapshot(
        'internal-python',
        `${registry.host}/internal/python:3.12`,
        2_147_483_648,
        {
          ...(registryId === undefined ? {} : { registryId }),
          timeout: 600,
        },
      )
      expect(snapshot.status).toBe('ready')
    }
    const baseSnapshotId = (await client.getSnapshot('system/default:latest')).id
    {
      const running = await client.createSandbox(baseSnapshotId, { name: 'setup-box' })
      // Of the Internet nothing: how long the installation took would be up to how this machine reaches it.
      await running.write('/etc/pip.conf', '[global]\nindex-url = http://127.0.0.1:9/\nretries = 0\n')
      await running.run('pip install numpy pandas scikit-learn', { timeout: 180 })
      await running.write('/opt/config.yaml', 'model: gpt-5\n')

      const snapshot = await running.captureSnapshot('ml-ready')
      console.log(snapshot.id, snapshot.source_sandbox_id)
      expect(printed.at(-1)).toEqual([snapshot.id, running.id])

      await running.delete()

      const sandbox = await client.createSandbox(snapshot.id)
      try {
        await sandbox.run("python -c 'import numpy; print(numpy.__version__)'")
        const cfg = await sandbox.read('/opt/config.yaml')
        console.log(new TextDecoder().decode(cfg))
      } finally {
        await sandbox.delete()
      }
      expect(printed.at(-1)).toEqual(['model: gpt-5\n'])
    }
    const sb = await client.createSandbox(undefined, { snapshotName: 'ml-ready' })
    {
      const snapshot = await sb.captureSnapshot('ml-ready-v2', { timeout: 600 })
      expect(snapshot.name).toBe('ml-ready-v2')
    }
    {
      const snapshots = await client.listSnapshots()
      for (const s of snapshots) {
        console.log(s.id, s.name, s.status)
      }
      expect(snapshots.map(({ name }) => name)).toEqual([
        'ml-ready-v2',
        'ml-ready',
        'internal-python',
        'python',
        'base',
      ])
      const page = await client.listSnapshots({ nameContains: 'ml', limit: 100 })
      expect(page).toHaveLength(2)
    }
    {
      const sb = await client.createSandbox(snapshot.id, { name: 'my-vm' })
      await sb.run("echo 'hello' > /tmp/state.txt")

      await sb.stop()

      await sb.start()

      const result = await sb.run('cat /tmp/state.txt')
      console.log(result.stdout.trim()) // "hello"
      expect(printed.at(-1)).toEqual(['hello'])

      await client.stopSandbox('my-vm')
      await client.startSandbox('my-vm')
      await sb.delete()
    }
    await client.deleteSnapshot(snapshot.id)
    await expect(client.getSnapshot(snapshot.id)).rejects.toThrow('not found')
  })
})
