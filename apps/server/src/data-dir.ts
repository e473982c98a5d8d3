import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { type Core, SpawnpointError } from '@spawnpoint/core'
import { serverTag } from './config.ts'

/**
 * One server per data directory. The lock is an abstract socket: the kernel frees it whatever becomes of the process.
 */
export async function lockDataDir(dataDir: string): Promise<AsyncDisposable> {
  await mkdir(dataDir, { recursive: true, mode: 0o755 })
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = `another server is running on ${dataDir}; stop it, or give this one a --data-dir of its own`
      reject(error.code === 'EADDRINUSE' ? new SpawnpointError('unavailable', reason, { reason }) : error)
    })
    server.listen(`\0spawnpoint-server-${serverTag(dataDir)}`, resolve)
  })
  server.unref()
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) }
}

/** The admin key of this data directory, made on the first start, and again if the ledger does not know it. */
export async function adminKey(dataDir: string, core: Core): Promise<string> {
  const path = join(dataDir, 'admin.key')
  const present = (await readFile(path, 'utf8').catch(missingFile)).trim()
  if (present !== '') {
    const known = await core.authenticate(present).then(
      () => true,
      () => false, // of another ledger: replaced below
    )
    if (known) return present
  }
  const secret = await core.adminKey()
  await writeDurably(path, `${secret}\n`)
  return secret
}

async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}`
  {
    await using file = await open(temporary, 'wx', 0o600)
    await file.writeFile(text)
    await file.sync()
  }
  await rename(temporary, path)
  await using dir = await open(dirname(path))
  await dir.sync()
}

function missingFile(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return ''
  throw error
}
