import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterAll, expect, it } from 'vitest'
import { ServerIndex } from './server-index.ts'

const dir = mkdtempSync(`${tmpdir()}/spawnpoint-index-`)
afterAll(() => rmSync(dir, { recursive: true }))

const nothingRuns = () => false

it('is different for each server at a time, the same after a restart, and free when nothing lives', async () => {
  const [a, b] = await Promise.all(['/a', '/b'].map((stateDir) => ServerIndex.claim(dir, stateDir, nothingRuns)))
  if (!a || !b) throw new Error('no claims')
  expect(a.index).not.toBe(b.index)
  await expect(ServerIndex.claim(dir, '/a', nothingRuns)).rejects.toMatchObject({ code: 'unavailable' })

  await a.release(true)
  const again = await ServerIndex.claim(dir, '/a', nothingRuns)
  expect(again.index).toBe(a.index)

  await again.release(false)
  expect(readdirSync(dir)).toEqual([`${b.index}.json`])
  await b.release(false)
})

it('is not taken where sandboxes of a server that is gone still run', async () => {
  const gone = await ServerIndex.claim(dir, '/gone', nothingRuns)
  await gone.release(true)
  const next = await ServerIndex.claim(dir, '/next', (index) => index === gone.index)
  expect(next.index).not.toBe(gone.index)
  await next.release(false)
})

it('does not depend on a claim that a crash of the host left in half', async () => {
  writeFileSync(`${dir}/0.json`, '{"stateD')
  const claim = await ServerIndex.claim(dir, '/a', nothingRuns)
  await claim.release(false)
})
