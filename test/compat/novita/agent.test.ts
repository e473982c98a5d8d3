import {
  CommandExitError,
  FileNotFoundError,
  FilesystemEventType,
  Sandbox,
  SandboxError,
  TimeoutError,
} from 'novita-sandbox'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until, VendorWorld } from '../vendor-world.ts'

let vendor: VendorWorld
let sandbox: Sandbox
beforeAll(async () => {
  vendor = await VendorWorld.start()
  sandbox = await Sandbox.create('base', { envs: { OF_SANDBOX: 'yes' } })
})
afterAll(async () => {
  await sandbox.kill()
  await vendor[Symbol.asyncDispose]()
})

it('commands run, stream, take input, and are killed', async () => {
  const seen: string[] = []
  const result = await sandbox.commands.run('echo $OF_SANDBOX; echo err >&2', {
    onStdout: (text) => void seen.push(text),
  })
  expect([result.exitCode, result.stdout, result.stderr, seen]).toEqual([0, 'yes\n', 'err\n', ['yes\n']])
  await expect(sandbox.commands.run('exit 7')).rejects.toMatchObject({ exitCode: 7 })
  await expect(sandbox.commands.run('sleep 1000', { timeoutMs: 500 })).rejects.toThrow(TimeoutError)

  const cat = await sandbox.commands.run('cat', { background: true, stdin: true })
  await sandbox.commands.sendStdin(cat.pid, 'typed\n')
  await until(async () => cat.stdout === 'typed\n')
  await cat.disconnect()
  const again = await sandbox.commands.connect(cat.pid)
  expect((await sandbox.commands.list()).map(({ pid }) => pid)).toContain(cat.pid)
  expect(await again.kill()).toBe(true)
  await expect(again.wait()).rejects.toThrow(CommandExitError)
  expect(await sandbox.commands.kill(cat.pid)).toBe(false)
})

it('terminals show, and change their size', async () => {
  let text = ''
  const onData = (data: Uint8Array) => {
    text += Buffer.from(data).toString()
  }
  const pty = await sandbox.pty.create({ cols: 80, rows: 24, onData })
  await sandbox.pty.resize(pty.pid, { cols: 100, rows: 30 })
  await sandbox.pty.sendInput(pty.pid, Buffer.from('stty size\n'))
  await until(async () => text.includes('30 100'))
  expect(await sandbox.pty.kill(pty.pid)).toBe(true)
  await expect(pty.wait()).rejects.toThrow(CommandExitError)
})

it('files are written, read, listed, watched and removed', async () => {
  const dir = '/home/user/files'
  expect(await sandbox.files.makeDir(dir)).toBe(true)
  expect(await sandbox.files.makeDir(dir)).toBe(false)
  const seen: string[] = []
  const watch = await sandbox.files.watchDir(dir, ({ type, name }) => void seen.push(`${type} ${name}`), {
    recursive: true,
  })
  await sandbox.files.write(`${dir}/ü.txt`, 'text')
  await until(async () => seen.includes(`${FilesystemEventType.WRITE} ü.txt`))
  await watch.stop()
  await sandbox.files.write([
    { path: `${dir}/a`, data: 'a' },
    { path: `${dir}/b`, data: new Blob(['b']) },
  ])
  expect(await sandbox.files.read(`${dir}/b`)).toBe('b')
  expect((await sandbox.files.list(dir)).map(({ name, type }) => `${name} ${type}`)).toEqual([
    'a file',
    'b file',
    'ü.txt file',
  ])
  expect(await sandbox.files.getInfo(`${dir}/a`)).toMatchObject({ size: 1, owner: 'user', permissions: '-rw-r--r--' })
  await sandbox.files.rename(`${dir}/a`, `${dir}/c`)
  await sandbox.files.remove(`${dir}/c`)
  expect(await sandbox.files.exists(`${dir}/c`)).toBe(false)
  await expect(sandbox.files.read(`${dir}/c`)).rejects.toThrow(FileNotFoundError)
})

it('signed addresses give and take files', async () => {
  const form = new FormData()
  form.append('file', new Blob(['signed']), 'x')
  const upload = await sandbox.uploadUrl('/home/user/signed')
  expect((await fetch(upload, { method: 'POST', body: form })).status).toBe(200)
  const download = await sandbox.downloadUrl('/home/user/signed', { useSignatureExpiration: 60_000 })
  expect(await (await fetch(download)).text()).toBe('signed')
})

it('streams break off when the sandbox ends', async () => {
  const other = await Sandbox.create('base')
  const command = await other.commands.run('sleep 1000', { background: true, timeoutMs: 0 })
  expect(await other.isRunning()).toBe(true)
  const ended = command.wait()
  ended.catch(() => {}) // awaited below
  await other.kill()
  await expect(ended).rejects.toThrow(SandboxError)
  expect(await other.isRunning()).toBe(false)
})
