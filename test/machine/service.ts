import { equal, match, ok } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { BASE_IMAGE } from '@spawnpoint/images-debian'
import { Spawnpoint } from 'spawnpoint'

// Run by script/try-debian12 on a machine that is its own, with `spawnpoint.service` there: the server under systemd, and what
// systemd does to control groups that are not its own. Needs control groups of version 2.

const URL = 'http://127.0.0.1:7300'
/** Of whichever number the server has */
const GROUPS = '/sys/fs/cgroup/spawnpoint/*'
const MIB = 2 ** 20

const systemctl = (...args: string[]) => execFileSync('systemctl', args, { stdio: 'inherit' })
const inGroups = (file: string) =>
  execFileSync('sh', ['-c', `cat ${GROUPS}/*/${file}`], { encoding: 'utf8' })
    .trim()
    .split('\n')

async function until(what: string, ready: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 900_000; !(await ready().catch(() => false)); await sleep(500)) {
    ok(performance.now() < deadline, `waited for nothing: ${what}`)
  }
}
const served = () => until('the server', async () => (await fetch(`${URL}/readyz`)).ok)

async function step(name: string, work: () => Promise<void>): Promise<void> {
  const began = performance.now()
  await work()
  process.stdout.write(`   ${name}: ok, ${((performance.now() - began) / 1000).toFixed(0)} s\n`)
}

systemctl('start', 'spawnpoint')
await served()
const client = new Spawnpoint({ url: URL, apiKey: readFileSync('/var/lib/spawnpoint/admin.key', 'utf8').trim() })
await step('the image base', async () => {
  await client.images.build({ name: 'base', source: { type: 'tar', path: 'base.tar' }, defaults: BASE_IMAGE.defaults })
})
const small = { cpus: 1, memoryBytes: 256 * MIB, diskBytes: 1024 * MIB }
const box = await client.sandboxes.create({ image: 'base', resources: small })
const kept = async () => equal((await box.run('cat /tmp/kept')).stdout, 'in memory\n')
await box.run('echo in memory > /tmp/kept')

/** Its memory, and the runtime's; there are others, of containers made ahead. */
const limited = () => ok(inGroups('memory.max').includes(String((256 + 64) * MIB)), 'its memory is limited')
await step('limits of the group', async () => {
  limited()
  ok(inGroups('cpu.max').includes('100000 100000'), 'its processor time is limited')
  ok(inGroups('cgroup.procs').length >= 2, 'sentry and gofer')
  equal((await box.run("awk '/MemTotal/ { print $2 }' /proc/meminfo")).stdout, `${256 * 1024}\n`)
})
await step('pause and resume', async () => {
  await box.pause()
  await box.resume()
  await kept()
})
await step('a restart of the service', async () => {
  systemctl('restart', 'spawnpoint')
  await served()
  await kept()
})
await step('services with and without limits come and go', async () => {
  systemctl('daemon-reload')
  execFileSync('systemd-run', ['--quiet', '--wait', '--property=CPUWeight=50', '--property=MemoryMax=100M', 'true'])
  limited()
  await kept()
})
await step('kill -9 of the server, which systemd starts again', async () => {
  systemctl('kill', '--signal=KILL', '--kill-who=main', 'spawnpoint')
  await until(
    'its end',
    async () =>
      !(await fetch(`${URL}/readyz`).then(
        () => true,
        () => false,
      )),
  )
  await served()
  await kept()
})
await step('a sandbox that takes too much memory', async () => {
  const greedy = await client.sandboxes.create({ image: 'base', resources: small })
  const take = 'b = bytearray(600 << 20); b[::4096] = b"x" * len(b[::4096])'
  // Ended with it, in whatever way.
  await greedy.run(['python3', '-c', take]).catch(() => null)
  await until('its end', async () => (await greedy.refresh()).info.state === 'failed')
  match(JSON.stringify(greedy.info), /out_of_memory/)
  await greedy.kill()
  await kept()
})
await step('a sandbox that writes too much', async () => {
  match((await box.run('dd if=/dev/urandom of=big bs=1M count=1200 2>&1')).stdout, /Disk quota exceeded|No space left/)
  await box.run('rm -f big')
})
await step('a stop and a start of the service', async () => {
  systemctl('stop', 'spawnpoint')
  ok(inGroups('cgroup.procs').length >= 2, 'sandboxes run on')
  systemctl('start', 'spawnpoint')
  await served()
  await kept()
})
await box.kill()
systemctl('stop', 'spawnpoint')
