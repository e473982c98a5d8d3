import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { until, VendorWorld } from '../vendor-world.ts'
import { SDKS, type Sdk } from './sdks.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.start()
})
afterAll(() => vendor[Symbol.asyncDispose]())

type Happened = Parameters<Parameters<InstanceType<Sdk['Sandbox']>['files']['watchDir']>[1]>[0]

describe.each(SDKS)('a watch of %s', (_name, sdk) => {
  const { Sandbox, FilesystemEventType, FileNotFoundError, InvalidArgumentError, TimeoutError } = sdk
  let sandbox: InstanceType<typeof Sandbox>
  let dir: string
  let count = 0
  beforeAll(async () => {
    sandbox = await Sandbox.create()
  })
  afterAll(() => sandbox.kill())
  beforeEach(async () => {
    dir = `/home/user/watched-${count++}`
    await sandbox.files.makeDir(`${dir}/sub`)
  })

  /** Watches, and tells when something was seen. */
  async function watch(options: object = {}) {
    const seen: Happened[] = []
    const handle = await sandbox.files.watchDir(dir, (event) => void seen.push(event), options)
    const saw = (type: Happened['type'], name: string) =>
      until(async () => seen.some((event) => event.type === type && event.name === name))
    return { seen, handle, saw }
  }

  it('tells what the agent and programs do', async () => {
    const { handle, saw, seen } = await watch()
    await sandbox.files.write(`${dir}/by-agent`, 'x')
    await saw(FilesystemEventType.CREATE, 'by-agent')
    await saw(FilesystemEventType.WRITE, 'by-agent')
    await sandbox.commands.run(`cd ${dir} && echo x >by-shell && chmod 600 by-shell && mv by-shell other && rm other`)
    await saw(FilesystemEventType.CREATE, 'by-shell')
    await saw(FilesystemEventType.WRITE, 'by-shell')
    await saw(FilesystemEventType.CHMOD, 'by-shell')
    await saw(FilesystemEventType.RENAME, 'by-shell')
    await saw(FilesystemEventType.CREATE, 'other')
    await saw(FilesystemEventType.REMOVE, 'other')
    await sandbox.files.write(`${dir}/sub/below`, 'x')
    await handle.stop()
    await sandbox.files.write(`${dir}/after`, 'x')
    expect(seen.filter(({ name }) => name === 'after' || name.startsWith('sub/'))).toEqual([])
  })

  it('goes below, into new directories too, if asked', async () => {
    const { handle, saw } = await watch({ recursive: true })
    await sandbox.files.write(`${dir}/sub/file`, 'x')
    await saw(FilesystemEventType.WRITE, 'sub/file')
    await sandbox.commands.run(`mkdir -p ${dir}/new/deep`)
    await saw(FilesystemEventType.CREATE, 'new')
    await sandbox.commands.run(`echo x >${dir}/new/deep/file`)
    await saw(FilesystemEventType.CREATE, 'new/deep/file')
    await sandbox.files.remove(`${dir}/new`)
    await saw(FilesystemEventType.REMOVE, 'new/deep/file')
    await handle.stop()
  })

  it('shows the entries, if asked', async () => {
    const { handle, saw, seen } = await watch({ includeEntry: true, allowNetworkMounts: true })
    await sandbox.files.write(`${dir}/file`, 'hello')
    await saw(FilesystemEventType.WRITE, 'file')
    expect(seen.find(({ type }) => type === FilesystemEventType.WRITE)?.entry).toMatchObject({
      name: 'file',
      path: `${dir}/file`,
      size: 5,
      type: 'file',
      owner: 'user',
    })
    await handle.stop()
  })

  it('of what is no directory is refused', async () => {
    await sandbox.files.write(`${dir}/file`, 'x')
    await expect(sandbox.files.watchDir(`${dir}/file`, () => {})).rejects.toThrow(InvalidArgumentError)
    await expect(sandbox.files.watchDir(`${dir}/none`, () => {})).rejects.toThrow(FileNotFoundError)
  })

  it('ends at its time limit', async () => {
    const exit = Promise.withResolvers<Error | undefined>()
    await watch({ timeoutMs: 700, onExit: (error?: Error) => exit.resolve(error) })
    expect(await exit.promise).toBeInstanceOf(TimeoutError)
  })
})
