import { realPrograms, runtimeContract } from '@spawnpoint/contracts/runtime'
import { RUNSCS } from './testing/test-host.ts'
import { World } from './testing/world.ts'

for (const runsc of RUNSCS) {
  runtimeContract(`gVisor at ${runsc}`, async () => {
    const world = await World.open(runsc)
    const { capturesDeletedFiles } = world.runtime.info.capabilities
    return {
      get runtime() {
        return world.runtime
      },
      pool: world.pool,
      imageId: world.imageId,
      programs: realPrograms,
      traits: { xattrs: capturesDeletedFiles, memoryDirs: ['/tmp', '/var/tmp', '/run', '/dev/shm'] },
      reopen: () => world.reopen(),
      crash: async (id) => world.crash(id),
      [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
    }
  })
}
