import { Hyperbrowser } from '@hyperbrowser/sdk'
import { Sandbox as E2bSandbox } from 'e2b'
import { Langsmith } from 'langsmith'
import { SandboxClient } from 'langsmith/sandbox'
import { Sandbox as NovitaSandbox } from 'novita-sandbox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BrimbleClient } from './brimble/client.ts'
import { until, VendorWorld } from './vendor-world.ts'

/** A sandbox as whichever client sees it. */
interface Seen {
  id: string
  /** What a command prints */
  run(command: string): Promise<string>
  /** Id of a snapshot of it, ready */
  snapshot(): Promise<string>
}

interface Client {
  name: string
  /** Its snapshots hold the files alone, and start their sandboxes so. */
  filesOnly?: true
  /** From an image, or from a snapshot whichever client took it */
  start(snapshot?: string): Promise<Seen>
}

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.start()
})
afterAll(() => vendor[Symbol.asyncDispose]())

type Vendors = {
  sandboxId: string
  commands: { run(command: string): Promise<{ stdout: string }> }
  createSnapshot(): Promise<{ snapshotId: string }>
}

function e2bLike(sandbox: Vendors): Seen {
  return {
    id: sandbox.sandboxId,
    run: async (command) => (await sandbox.commands.run(command)).stdout,
    snapshot: async () => (await sandbox.createSnapshot()).snapshotId,
  }
}

const CLIENTS: Client[] = [
  { name: 'E2B', start: async (snapshot = 'base') => e2bLike(await E2bSandbox.create(snapshot)) },
  { name: 'Novita', start: async (snapshot = 'base') => e2bLike(await NovitaSandbox.create(snapshot)) },
  {
    name: 'Spawnpoint',
    async start(snapshot) {
      const { client } = vendor.world
      const sandbox = await client.sandboxes.create(snapshot === undefined ? { image: 'base' } : { snapshot })
      return {
        id: sandbox.id,
        run: async (command) => (await sandbox.run(command, { check: true })).stdout,
        snapshot: async () => (await sandbox.snapshot({ kind: 'memory' })).id,
      }
    },
  },
  {
    name: 'Hyperbrowser',
    async start(snapshot) {
      const client = new Hyperbrowser({ apiKey: vendor.world.key, baseUrl: `${vendor.world.url}/hyperbrowser` })
      const sandbox = await client.sandboxes.create(
        // Its client knows snapshots by name; one without goes by its id.
        snapshot === undefined
          ? { imageName: 'base' }
          : { snapshotName: (await client.sandboxes.getSnapshot(snapshot)).snapshotName, snapshotId: snapshot },
      )
      return {
        id: sandbox.id,
        run: async (command) => (await sandbox.exec(command)).stdout,
        async snapshot() {
          const { snapshotId } = await sandbox.createMemorySnapshot()
          await until(async () => (await client.sandboxes.getSnapshot(snapshotId)).status === 'created')
          return snapshotId
        },
      }
    },
  },
  {
    name: 'LangSmith',
    async start(snapshotId) {
      const client = new SandboxClient()
      const box = await client.createSandbox(snapshotId)
      return {
        id: box.id ?? '',
        run: async (command) => (await box.run(command)).stdout,
        async snapshot() {
          // What the handwritten client has for it leaves the memory out.
          const begun = await new Langsmith({
            baseURL: `${vendor.world.url}/langsmith`,
          }).sandboxes.boxes.createSnapshot(box.name, {
            name: `crossing-${Date.now()}`,
            include_memory: true,
          })
          return (await client.waitForSnapshot(begun.id ?? '')).id
        },
      }
    },
  },
  {
    name: 'Brimble',
    filesOnly: true,
    async start(snapshot) {
      const client = new BrimbleClient(vendor.world.url, vendor.world.key)
      const { data, status } = await client.post(
        '/sandboxes',
        snapshot === undefined ? {} : { fromSnapshot: snapshot.split(':')[0] },
      )
      expect(status).toBe(201)
      const path = `/sandboxes/${data.id}`
      return {
        id: data.id,
        run: async (cmd) => (await client.post(`${path}/exec`, { cmd })).data.stdout,
        async snapshot() {
          const { data: made } = await client.post(`${path}/snapshots`, { name: `crossing-${Date.now()}` })
          const state = async () => (await client.get(`${path}/snapshots`)).data.data[0]?.status
          await until(async () => (await state()) === 'ready')
          return made.id
        },
      }
    },
  },
]

/** Counts in memory, and says how far it is where nothing of it is kept on disk; prints its process id. */
const COUNTER = `n=0; while :; do n=$((n+1)); echo $n >/dev/shm/next; mv /dev/shm/next /dev/shm/count; sleep 0.05; done`
const START_COUNTER = `setsid sh -c '${COUNTER}' </dev/null >/dev/null 2>&1 & echo $!`

/** How far the counter is; rejects unless that very process counts on. */
async function counted(seen: Seen, pid: string): Promise<number> {
  const [first, second, program] = (
    await seen.run(
      `a=$(cat /dev/shm/count); for try in $(seq 100); do b=$(cat /dev/shm/count); [ $b = $a ] || break; sleep 0.1; done;
      echo $a; echo $b; tr '\\0' ' ' </proc/${pid}/cmdline | cut -c 1-5`,
    )
  ).split('\n')
  expect([Number(second) > Number(first), program]).toEqual([true, 'sh -c'])
  return Number(first)
}

describe.each(CLIENTS)('a snapshot taken through $name', (from) => {
  it('starts through every client, with what was captured', async () => {
    const origin = await from.start()
    await origin.run(`echo "of ${from.name}" >/var/crossing 2>/dev/null || echo "of ${from.name}" >/home/user/crossing`)
    const pid = (await origin.run(START_COUNTER)).trim()
    await until(async () => (await origin.run('cat /dev/shm/count || true')) !== '')
    const before = await counted(origin, pid)
    const snapshot = await origin.snapshot()
    const after = await counted(origin, pid)
    await origin.run('rm -f /var/crossing /home/user/crossing 2>/dev/null || true')
    const ids = new Set([origin.id])
    for (const to of CLIENTS) {
      const started = await to.start(snapshot)
      expect([to.name, await started.run('cat /var/crossing /home/user/crossing 2>/dev/null; true')]).toEqual([
        to.name,
        `of ${from.name}\n`,
      ])
      if (from.filesOnly || to.filesOnly) expect(await started.run('ls /dev/shm')).toBe('')
      else expect(await counted(started, pid), to.name).toBeGreaterThanOrEqual(before)
      ids.add(started.id)
      await (await vendor.world.client.sandboxes.get(started.id)).kill()
    }
    expect(ids.size).toBe(CLIENTS.length + 1)
    // None of which the origin has noticed.
    expect(await counted(origin, pid)).toBeGreaterThan(after)
  })
})
