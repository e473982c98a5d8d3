import { execFile } from 'node:child_process'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * Ends what an interrupted build left: processes whose root is in `dir`, mounts below it. The build has both in a process
 * group and a mount namespace of its own, so normally there is nothing. Returns what could not be undone.
 */
export async function releaseDirectory(dir: string): Promise<string[]> {
  const left: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    // A process that ends meanwhile has no root any more.
    const root = await readlink(`/proc/${pid}/root`).catch(() => '')
    if (!isBelow(root, dir)) continue
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') left.push(`process ${pid}: ${error}`)
    }
  }
  for (const mount of (await mountsBelow(dir)).reverse()) {
    await run('umount', ['--lazy', mount]).catch((error) => left.push(`mount ${mount}: ${error}`))
  }
  return left
}

async function mountsBelow(dir: string): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  const paths = lines.map((line) => (line.split(' ')[4] ?? '').replace(/\\040/g, ' '))
  // Not `dir` itself: the builder did not mount that.
  return paths.filter((path) => path !== dir && isBelow(path, dir))
}

function isBelow(path: string, dir: string): boolean {
  return path === dir || path.startsWith(`${dir}/`)
}
