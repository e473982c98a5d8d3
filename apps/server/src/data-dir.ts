import { createPrivateKey, generateKeyPair, randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Core, SpawnpointError } from '@spawnpoint/core'
import { serverTag } from './config.ts'

/**
 * One server per data directory. The lock is an abstract socket: the kernel frees it whatever becomes of the process.
 */
export async function lockDataDir(dataDir: string): Promise<AsyncDisposable> {
  await makeDataDir(dataDir)
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

/**
 * With the directories above it. Not by `recursive`: that never ends where no directory can be made, though the one above is
 * there, as under /proc.
 */
export async function makeDataDir(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o755 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await isDirectory(path))) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || (await isDirectory(parent))) throw error
    await makeDataDir(parent)
    await mkdir(path, { mode: 0o755 })
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** The admin key of this data directory, made on the first start, and again if the ledger does not know it. */
export async function adminKey(dataDir: string, core: Core): Promise<string> {
  const path = join(dataDir, 'admin.key')
  const present = (await readFile(path, 'utf8').catch(missingFile)).trim()
  const secret = await core.adminKey(present === '' ? undefined : present)
  if (secret !== present) await writeDurably(path, `${secret}\n`)
  return secret
}

/** What other servers' operators need to trust this one; not secret. */
export async function writePublicKey(dataDir: string, publicKey: string): Promise<void> {
  const path = join(dataDir, 'archive.pub')
  if ((await readFile(path, 'utf8').catch(missingFile)).trim() !== publicKey) await writeDurably(path, `${publicKey}\n`)
}

const SECRET_BYTES = 32

/** What this server makes tokens from, drawn on the first start. Rejects `unavailable` if what is there cannot be it. */
export async function serverSecret(dataDir: string): Promise<Uint8Array> {
  const path = join(dataDir, 'server.secret')
  const present = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (present?.length === SECRET_BYTES) return present
  if (present !== null) {
    const reason = `${path} is not ${SECRET_BYTES} bytes; put back the right one, or remove it, which ends all tokens given so far`
    throw new SpawnpointError('unavailable', reason, { reason })
  }
  const secret = randomBytes(SECRET_BYTES)
  await writeDurably(path, secret)
  return secret
}

/** The RSA key that tokens of identity are signed with, as PEM, made when it is first needed. Rejects `unavailable` if what is there is none. */
export async function identityKey(dataDir: string): Promise<string> {
  const path = join(dataDir, 'identity.key')
  const present = await readFile(path, 'utf8').catch(missingFile)
  if (present === '') {
    const pair = await promisify(generateKeyPair)('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { format: 'pem', type: 'spki' },
      privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
    })
    await writeDurably(path, pair.privateKey)
    return pair.privateKey
  }
  if (isRsaKey(present)) return present
  const reason = `${path} is no RSA key; put back the right one, or remove it, after which clouds must be told of a new one`
  throw new SpawnpointError('unavailable', reason, { reason })
}

function isRsaKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa'
  } catch {
    // It cannot be read as a key at all.
    return false
  }
}

async function writeDurably(path: string, text: string | Uint8Array): Promise<void> {
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
