import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DebianImageBuilder } from './debian-image-builder.ts'
import { TarImageBuilder } from './tar-image-builder.ts'

let scratch: string
let target: string
const never = new AbortController().signal

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'spawnpoint-tar-'))
  target = join(scratch, 'target')
  for (const dir of ['target', 'archives', 'tree', 'outside']) mkdirSync(join(scratch, dir))
})
afterEach(() => rmSync(scratch, { recursive: true }))

const sh = (script: string) => execFileSync('sh', ['-euc', script], { cwd: join(scratch, 'tree'), stdio: 'pipe' })
const build = (name = 'image.tar', maxBytes?: number, signal = never) =>
  new TarImageBuilder({ allowedDir: join(scratch, 'archives'), ...(maxBytes ? { maxBytes } : {}) }).build(
    { type: 'tar', path: join(scratch, 'archives', name) },
    target,
    () => {},
    signal,
  )

describe('an archive', () => {
  it.each(['', '--gzip', '--xz'])('unpacks with owners, modes, attributes and links (%s)', async (compression) => {
    sh(`mkdir -p bin home/user; echo hi > home/user/file; chown -R 1234:4321 home/user; chmod 4755 home/user/file
      ln -s /etc/passwd home/user/link; ln home/user/file home/user/hard; setfattr -n user.colour -v blue home/user/file ||
      python3 -c "import os; os.setxattr('home/user/file', 'user.colour', b'blue')"
      mknod bin/disk b 8 0; mknod bin/zero c 1 5; mkfifo bin/pipe
      tar --create ${compression} --xattrs --file ../archives/image.tar .`)
    await build()
    const file = join(target, 'home/user/file')
    expect(statSync(file)).toMatchObject({ uid: 1234, gid: 4321, mode: 0o104755, nlink: 2 })
    const colour = `import os; print(os.getxattr('${file}', 'user.colour').decode())`
    expect(execFileSync('python3', ['-c', colour], { encoding: 'utf8' }).trim()).toBe('blue')
    expect(lstatSync(join(target, 'home/user/link')).isSymbolicLink()).toBe(true)
    expect(existsSync(join(target, 'bin/pipe'))).toBe(true)
    expect(existsSync(join(target, 'bin/disk'))).toBe(false)
    expect(existsSync(join(target, 'bin/zero'))).toBe(false)
    expect(statSync(join(target, '.spawnpoint')).isDirectory()).toBe(true)
  })

  it('cannot write outside: dots, absolute names, links on the way', async () => {
    const outside = join(scratch, 'outside')
    writeFileSync(join(scratch, 'evil.py'), EVIL)
    for (const kind of ['dots', 'absolute', 'link', 'relative-link', 'hard-link', 'mount-point']) {
      execFileSync('python3', [join(scratch, 'evil.py'), kind, join(scratch, 'archives/image.tar'), outside])
      await build().catch((error) => expect(error).toMatchObject({ code: 'runtime_failed' }))
      expect(execFileSync('ls', ['-A', outside], { encoding: 'utf8' })).toBe('')
      rmSync(target, { recursive: true })
      mkdirSync(target)
    }
  })

  it('is stopped when it grows beyond the limit', async () => {
    sh('truncate -s 200M zeros; tar --create --gzip --file ../archives/image.tar zeros')
    await expect(build('image.tar', 50_000_000)).rejects.toMatchObject({ code: 'payload_too_large' })
  })

  it('that is none, is empty or lies elsewhere is refused', async () => {
    writeFileSync(join(scratch, 'archives/junk'), 'no archive at all')
    await expect(build('junk')).rejects.toMatchObject({
      code: 'runtime_failed',
      message: 'Could not unpack the image: This does not look like a tar archive',
    })
    sh('tar --create --file ../archives/empty.tar --files-from /dev/null')
    await expect(build('empty.tar')).rejects.toMatchObject({ code: 'runtime_failed' })
    await expect(build('missing.tar')).rejects.toMatchObject({ code: 'invalid_argument' })
    sh('tar --create --file ../elsewhere.tar .; ln -s ../elsewhere.tar ../archives/link.tar')
    await expect(build('../elsewhere.tar')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(build('link.tar')).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('may be named relative to the directory for archives, through the one builder of a server', async () => {
    sh('echo x > file; tar --create --file ../archives/image.tar .')
    const builder = new DebianImageBuilder({ cacheDir: scratch, importsDir: join(scratch, 'archives') })
    expect(builder.types).toEqual(['debian', 'tar'])
    await builder.build({ type: 'tar', path: 'image.tar' }, target, () => {}, never)
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('x\n')
  })

  it('stops when told to', async () => {
    sh('echo x > file; tar --create --file ../archives/image.tar .')
    await expect(build('image.tar', undefined, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
    expect(readFileSync(join(scratch, 'tree/file'), 'utf8')).toBe('x\n')
  })
})

/** Writes archives that no well-meaning program would. */
const EVIL = `
import io, sys, tarfile
kind, path, outside = sys.argv[1:]
def file(tar, name):
    info = tarfile.TarInfo(name); info.size = 4; tar.addfile(info, io.BytesIO(b'evil'))
def link(tar, name, to, type=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name); info.type = type; info.linkname = to; tar.addfile(info)
with tarfile.open(path, 'w') as tar:
    if kind == 'dots': file(tar, '../outside/dots')
    if kind == 'absolute': file(tar, outside + '/absolute')
    if kind == 'link': link(tar, 'way', outside); file(tar, 'way/through')
    if kind == 'relative-link': link(tar, 'way', '../outside'); file(tar, 'way/through')
    if kind == 'hard-link': link(tar, 'way', '../outside'); link(tar, 'way/hard', 'way', tarfile.LNKTYPE)
    if kind == 'mount-point': link(tar, '.spawnpoint', outside + '/made')
`
