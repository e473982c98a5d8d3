import { type Programs, runtimeContract } from '@spawnpoint/contracts/runtime'
import { type ImageId, newId } from '@spawnpoint/core'
import { MEMORY_DIRS } from './file-view.ts'
import { FakeHost } from './host.ts'
import { fillFakeRoot } from './image-builder.ts'
import { FakePool } from './pool.ts'
import { FakeRuntime } from './runtime.ts'

const programs: Programs = {
  counter: () => ['counter'],
  holder: (text) => ['holder', text],
  cat: (path) => (path === undefined ? ['cat'] : ['cat', path]),
  link: (target, path) => ['link', target, path],
  leaver: (first, last, ms) => ['leaver', first, last, String(ms)],
  echo: (text) => ['echo', text],
  exit: (code, stdout = '', stderr = '') => ['exit', String(code), stdout, stderr],
  sleep: (seconds) => ['sleep', String(seconds)],
  trap: (signal) => ['trap', signal],
  tcpEcho: (port) => ['tcp-echo', String(port)],
  spam: (bytes, waitMs = 0) => ['spam', String(bytes), String(waitMs)],
  writer: (path) => ['writer', path],
  terminalSize: () => ['terminal-size'],
  context: () => ['print-context'],
}

runtimeContract('fake', async () => {
  const host = new FakeHost()
  const pool = new FakePool(host)
  await pool.open()
  const imageId = newId<ImageId>()
  await pool.createImage(imageId, async (dir) => fillFakeRoot(host, dir))
  const subject = {
    runtime: new FakeRuntime(host),
    pool,
    imageId,
    programs,
    traits: { xattrs: true, memoryDirs: MEMORY_DIRS },
    async reopen() {
      await subject.runtime.close()
      subject.runtime = new FakeRuntime(host)
      await subject.runtime.open()
    },
    crash: async (id: Parameters<FakeHost['crashIncarnation']>[0]) => host.crashIncarnation(id),
    async [Symbol.asyncDispose]() {
      await subject.runtime.close()
      await pool.close()
    },
  }
  await subject.runtime.open()
  return subject
})
