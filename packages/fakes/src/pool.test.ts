import { poolContract } from '@spawnpoint/contracts/pool'
import { FakeHost } from './host.ts'
import { FakePool } from './pool.ts'

poolContract('fake', async () => {
  const host = new FakeHost()
  const subject = {
    pool: new FakePool(host),
    async reopen() {
      await subject.pool.close()
      subject.pool = new FakePool(host)
      await subject.pool.open()
    },
    async readFile(dir: string, name: string) {
      try {
        return host.tree(dir).readText(`/${name}`)
      } catch {
        // The directory is gone, and the file with it.
        return null
      }
    },
    async writeFile(dir: string, name: string, data: Buffer) {
      host.tree(dir).writeFile(`/${name}`, data)
    },
    [Symbol.asyncDispose]: () => subject.pool.close(),
  }
  await subject.pool.open()
  return subject
})
