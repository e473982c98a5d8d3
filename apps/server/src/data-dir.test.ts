import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { identityKey, makeDataDir, serverSecret } from './data-dir.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'spawnpoint-data-dir-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
})

describe('the server\u2019s secret', () => {
  it('is drawn once, for the owner\u2019s eyes, and stays', async () => {
    const secret = await serverSecret(dir)
    expect(secret).toHaveLength(32)
    expect(statSync(join(dir, 'server.secret')).mode & 0o777).toBe(0o600)
    expect(Buffer.from(await serverSecret(dir)).equals(secret)).toBe(true)
    const other = mkdtempSync(join(tmpdir(), 'spawnpoint-data-dir-'))
    onTestFinished(() => rmSync(other, { recursive: true }))
    expect(Buffer.from(await serverSecret(other)).equals(secret)).toBe(false)
  })

  it('is not replaced when what is there cannot be it', async () => {
    const path = join(dir, 'server.secret')
    for (const text of ['', 'too short', 'x'.repeat(33)]) {
      writeFileSync(path, text)
      chmodSync(path, 0o600)
      await expect(serverSecret(dir)).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining(path),
      })
      expect(readFileSync(path, 'utf8')).toBe(text)
    }
  })
})

it('makes a key for identities when it is first needed, which stays, and takes no other kind for it', async () => {
  const key = await identityKey(dir)
  const path = join(dir, 'identity.key')
  expect(createPrivateKey(key).asymmetricKeyDetails?.modulusLength).toBe(2048)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(await identityKey(dir)).toBe(key)
  const other = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  for (const text of [other, 'no key']) {
    writeFileSync(path, text)
    await expect(identityKey(dir)).rejects.toMatchObject({ code: 'unavailable' })
    expect(readFileSync(path, 'utf8')).toBe(text)
  }
})

describe('a data directory', () => {
  it('is made with what is above it, and taken if it is there', async () => {
    const path = join(dir, 'a/b/c')
    await makeDataDir(path)
    expect(existsSync(path)).toBe(true)
    await makeDataDir(path)
  })

  it('that cannot be is refused at once, saying which directory could not be made', async () => {
    writeFileSync(join(dir, 'file'), '')
    for (const [path, code] of [
      ['/proc/spawnpoint/data', 'ENOENT'],
      ['/sys/spawnpoint', 'EPERM'],
      [join(dir, 'file/data'), 'ENOTDIR'],
      [join(dir, 'file'), 'EEXIST'],
    ] as const) {
      await expect(makeDataDir(path), path).rejects.toMatchObject({ code, syscall: 'mkdir' })
    }
  })
})
