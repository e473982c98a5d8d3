import { blobsContract } from '@spawnpoint/contracts'
import { FakeBlobs } from './blobs.ts'
import { FakeHost } from './host.ts'

blobsContract('FakeBlobs', async () => {
  const host = new FakeHost()
  const world = {
    blobs: new FakeBlobs(host),
    async reopen() {
      world.blobs = new FakeBlobs(host)
    },
    async [Symbol.asyncDispose]() {},
  }
  return world
})
