// Run by crash.test.ts: works on a pool until the named point, then ends as by kill -9.
import { writeSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ImageId, newId, type SnapshotId } from '@spawnpoint/core'
import { TestWorld } from './test-world.ts'

const [dataDir = '', point] = process.argv.slice(2)
const world = new TestWorld(dataDir)
const pool = world.makePool((name) => {
  if (name === point) process.kill(process.pid, 'SIGKILL')
})
world.pool = pool

/** Everything this process was told is done, one line each, written before anything else happens. */
const acknowledge = (what: string) => writeSync(1, `${what}\n`)

await pool.open()
for (let round = 0; ; round++) {
  const image = await world.image({ round: String(round) })
  acknowledge(`image ${image}`)
  const root = await world.root(image)
  acknowledge(`root ${root}`)
  await writeFile(join(pool.rootPath(root), 'data'), `root ${root}`)
  // Enough for a flush to be worth its while.
  await writeFile(join(pool.rootPath(root), 'more'), Buffer.alloc(4 << 20, root))
  const id = newId<SnapshotId>()
  const { memoryDir } = await pool.stageSnapshot(id)
  await writeFile(join(memoryDir, 'pages.img'), Buffer.alloc(1 << 20, id))
  await pool.flushRoot(root)
  await pool.captureRoot(id, root)
  await pool.publishSnapshot(id, { root })
  acknowledge(`snapshot ${id} ${root}`)
  const copy = newId<ImageId>()
  await pool.createImageFrom(copy, { from: 'snapshot', id })
  acknowledge(`image ${copy}`)
  acknowledge(`deleting ${root}`)
  await pool.deleteRoot(root)
  if (point) throw new Error(`never came to ${point}`)
}
