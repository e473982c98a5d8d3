import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { processesIn } from '../embedded/processes.ts'
import { PostgresLedger } from '../postgres-ledger.ts'
import { missing, writeUntil } from './cut-off.ts'
import { memoryLog } from './scratch.ts'

/**
 * `node power-cut.ts DIR ROUNDS`: cuts the power of an ext4 file system under a ledger that writes, and prints what was
 * acknowledged and what of it is lost, as JSON. Run it in a mount and process namespace of its own: mounts, the loop
 * device and processes end with the namespace, whatever happens.
 *
 * The cut is ext4's shutdown request without a flush of its journal: all that was not synced is gone, as xfstests does it.
 */
const [dir = '', rounds = '1'] = process.argv.slice(2)
const image = join(dir, 'disk.img')
const disk = join(dir, 'disk')

const EXT4_IOC_SHUTDOWN = '0x8004587d'
const NO_LOG_FLUSH = 2
const CUT = `import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), ${EXT4_IOC_SHUTDOWN}, struct.pack('I', ${NO_LOG_FLUSH}))`

const sh = (command: string, ...args: string[]) =>
  void execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })

/** The old postmaster and its backends, which keep the dead file system busy until they have noticed. */
async function noProcesses(cluster: string): Promise<void> {
  const deadline = performance.now() + 20_000
  for (let pids = await processesIn(cluster); pids.length > 0; pids = await processesIn(cluster)) {
    if (performance.now() > deadline) for (const pid of pids) process.kill(pid, 'SIGKILL')
    await pause(10)
  }
}

mkdirSync(disk)
sh('mount', '-t', 'tmpfs', 'run', '/run')
sh('truncate', '--size=400M', image)
sh('mkfs.ext4', '-q', image)
const acknowledged: string[] = []
const lost = new Set<string>()
for (let round = 0; round < Number(rounds); round += 1) {
  sh('mount', '-o', 'loop', image, disk)
  const dataDir = join(disk, 'data')
  const cluster = join(dataDir, 'postgres')
  const count = 20 + Math.floor(Math.random() * 300)
  acknowledged.push(...(await writeUntil(dataDir, count, async () => sh('python3', '-c', CUT, disk))))
  await noProcesses(cluster)
  sh('umount', disk)
  sh('mount', '-o', 'loop', image, disk)
  await using ledger = new PostgresLedger({ dataDir, log: memoryLog() })
  await ledger.open()
  for (const n of await missing(ledger, acknowledged)) lost.add(n)
  await ledger.close()
  sh('umount', disk)
}
process.stdout.write(JSON.stringify({ acknowledged: acknowledged.length, lost: lost.size }))
