import { afterAll, beforeAll } from 'vitest'
import { fileTests } from './files.ts'
import { HyperWorld } from './hyper-world.ts'
import { imageTests } from './images.ts'
import { processTests } from './processes.ts'
import { sandboxTests } from './sandboxes.ts'
import { snapshotTests } from './snapshots.ts'

let world: HyperWorld
beforeAll(async () => {
  world = await HyperWorld.start()
})
afterAll(() => world?.[Symbol.asyncDispose]())

// By subject, each in a file; they share the server, which takes longer to start than most of them.
const at = () => world
snapshotTests(at)
sandboxTests(at)
processTests(at)
fileTests(at)
imageTests(at)
