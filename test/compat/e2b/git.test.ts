import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until, VendorWorld } from '../vendor-world.ts'
import { SDKS } from './sdks.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.start()
})
afterAll(() => vendor[Symbol.asyncDispose]())

describe.each(SDKS)('git of %s', (_name, sdk) => {
  const { Sandbox, GitUpstreamError } = sdk
  let sandbox: InstanceType<typeof Sandbox>
  const repository = '/home/user/work'
  const remote = 'git://127.0.0.1/shared.git'
  beforeAll(async () => {
    sandbox = await Sandbox.create()
    await sandbox.commands.run('git init --bare --initial-branch=main /srv/git/shared.git', { user: 'root' })
    await sandbox.commands.run(
      'git config --global --add safe.directory "*"; exec git daemon --reuseaddr --base-path=/srv/git --export-all --enable=receive-pack',
      { user: 'root', background: true, timeoutMs: 0 },
    )
    await until(async () =>
      (await sandbox.commands.run(`git ls-remote ${remote} && echo up || true`)).stdout.includes('up'),
    )
  })
  afterAll(() => sandbox.kill())

  it('makes a repository, commits, and tells what is changed', async () => {
    await sandbox.git.init(repository, { initialBranch: 'main' })
    await sandbox.git.configureUser('Ann', 'ann@example.com')
    expect(await sandbox.git.getConfig('user.name')).toBe('Ann')
    await sandbox.files.write(`${repository}/file.txt`, 'one\n')
    const before = await sandbox.git.status(repository)
    expect([before.currentBranch, before.hasUntracked, before.isClean]).toEqual(['main', true, false])
    await sandbox.git.add(repository)
    expect((await sandbox.git.status(repository)).hasStaged).toBe(true)
    await sandbox.git.commit(repository, 'First, with "quotes" and ü', {
      authorName: 'Bob',
      authorEmail: 'bob@example.com',
    })
    expect((await sandbox.git.status(repository)).isClean).toBe(true)
    const log = await sandbox.commands.run(`git -C ${repository} log --format='%an %s'`)
    expect(log.stdout).toBe('Bob First, with "quotes" and ü\n')
  })

  it('makes, lists and leaves branches', async () => {
    await sandbox.git.createBranch(repository, 'feature')
    expect(await sandbox.git.branches(repository)).toMatchObject({
      branches: expect.arrayContaining(['feature', 'main']),
      currentBranch: 'feature',
    })
    await sandbox.git.checkoutBranch(repository, 'main')
    await sandbox.git.deleteBranch(repository, 'feature')
    expect((await sandbox.git.branches(repository)).branches).toEqual(['main'])
  })

  it('pushes to a daemon, clones from it and pulls', async () => {
    await sandbox.git.remoteAdd(repository, 'origin', remote)
    await expect(sandbox.git.pull(repository)).rejects.toThrow(GitUpstreamError)
    expect(await sandbox.git.remoteGet(repository, 'origin')).toBe(remote)
    await sandbox.git.push(repository, { remote: 'origin', branch: 'main', setUpstream: true })
    await sandbox.git.clone(remote, { path: '/home/user/clone' })
    expect(await sandbox.files.read('/home/user/clone/file.txt')).toBe('one\n')
    await sandbox.files.write(`${repository}/file.txt`, 'two\n')
    await sandbox.git.add(repository, { files: ['file.txt'] })
    await sandbox.git.commit(repository, 'Second')
    expect((await sandbox.git.status(repository)).ahead).toBe(1)
    await sandbox.git.push(repository)
    await sandbox.git.pull('/home/user/clone')
    expect(await sandbox.files.read('/home/user/clone/file.txt')).toBe('two\n')
  })

  it('throws away what was done', async () => {
    await sandbox.files.write(`${repository}/file.txt`, 'three\n')
    await sandbox.git.add(repository)
    await sandbox.git.restore(repository, { paths: ['file.txt'], staged: true, worktree: true })
    expect(await sandbox.files.read(`${repository}/file.txt`)).toBe('two\n')
    await sandbox.git.reset(repository, { mode: 'hard', target: 'HEAD~1' })
    expect(await sandbox.files.read(`${repository}/file.txt`)).toBe('one\n')
  })
})
