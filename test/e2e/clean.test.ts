import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { REPOSITORY, World } from './world.ts'

/** As script/test makes it; `startTime` tells its process from others that had or get the same number. */
function runDir(startTime: string): string {
  const dir = mkdtempSync('/tmp/spawnpoint-test-')
  writeFileSync(join(dir, 'run'), `${process.pid} ${startTime}\n`)
  return dir
}

async function worldIn(dir: string): Promise<World> {
  const before = process.env.TMPDIR
  process.env.TMPDIR = dir
  try {
    return await World.start({ repeats: 0 })
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  }
}

/** Everything of its server that has a name on this host; `numbered` go by the number that it has claimed. */
function tracesOf({ dataDir }: World): { tag: string; claim: string; own: string[]; numbered: string[] } {
  const tag = createHash('sha256').update(dataDir).digest('hex').slice(0, 8)
  const claims = readdirSync('/run/spawnpoint').filter((name) => name.endsWith('.json'))
  const claim = claims.find((name) => claimed(name).includes(tag)) ?? 'none'
  const index = claim.replace('.json', '')
  const named = (dir: string, prefix: string) =>
    readdirSync(dir)
      .filter((name) => name.startsWith(prefix))
      .map((name) => join(dir, name))
  return {
    tag,
    claim,
    own: [dataDir, `/run/spawnpoint/${tag}`],
    numbered: [...named('/run/netns', `sp${index}-`), ...named('/sys/class/net', `sp${index}v`)],
  }
}

const present = (paths: string[]) => paths.filter((path) => existsSync(path))

/** Of a server, any of this machine's: one may end, and its claim be gone, while we look. */
function claimed(name: string): string {
  try {
    return readFileSync(`/run/spawnpoint/${name}`, 'utf8')
  } catch {
    return ''
  }
}

const startTime = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1)?.split(' ')[19] ?? ''
const [dead, living] = [runDir('1'), runDir(startTime)]
let killed: World
let running: World
beforeAll(async () => {
  killed = await worldIn(dead)
  running = await worldIn(living)
})
afterAll(async () => {
  await killed?.[Symbol.asyncDispose]()
  await running?.[Symbol.asyncDispose]()
  for (const dir of [dead, living]) rmSync(dir, { recursive: true, force: true })
})

it('script/clean removes what a killed run left, and nothing of one that runs', async () => {
  await killed.client.sandboxes.create({ image: 'base' })
  const sandbox = await running.client.sandboxes.create({ image: 'base' })
  await killed.killServer()
  expect(killed.leftovers().length).toBeGreaterThan(0)
  const traces = tracesOf(killed)
  expect(traces.numbered.length).toBeGreaterThan(2)

  const said = execFileSync(join(REPOSITORY, 'script/clean'), { encoding: 'utf8' })
  expect(said).toContain(dead)
  expect(said).not.toContain(living)
  expect(killed.leftovers()).toEqual([])
  expect(present(traces.own)).toEqual([])
  expect(claimed(traces.claim)).not.toContain(traces.tag)
  // Another test's server may have the number by now, and things by the same names; its claim comes before and goes after them.
  await expect.poll(() => (claimed(traces.claim) === '' ? present(traces.numbered) : [])).toEqual([])
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(dead)
  expect((await sandbox.run('echo alive')).stdout).toBe('alive\n')
  const { own, numbered } = tracesOf(running)
  expect(present([...own, ...numbered])).toEqual([...own, ...numbered])
})
