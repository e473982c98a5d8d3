import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { configFrom } from './config.ts'

const read = (name: string) => Number(readFileSync(`/proc/sys/kernel/${name}`, 'utf8'))

it('keeps history as long as it is told, and refuses what is no number of days', () => {
  const of = (days?: string) =>
    configFrom({}, { SPAWNPOINT_RUNSC: '/bin/true', SPAWNPOINT_AGENT: '/bin/true', SPAWNPOINT_KEEP_DAYS: days }).core
      .keep
  const day = 24 * 3600 * 1000
  expect(of()).toEqual({ historyMs: 30 * day, idempotencyMs: day })
  expect(of('365').historyMs).toBe(365 * day)
  for (const bad of ['0', '-1', '1.5', 'a week', '', '100000']) expect(() => of(bad)).toThrow('SPAWNPOINT_KEEP_DAYS')
})

it('checks snapshots as often as it is told', () => {
  const of = (env: NodeJS.ProcessEnv) =>
    configFrom({}, { SPAWNPOINT_RUNSC: '/bin/true', SPAWNPOINT_AGENT: '/bin/true', ...env }).core.verify
  const day = 24 * 3600 * 1000
  expect(of({})).toEqual({ checkEveryMs: 7 * day, drillEveryMs: null })
  expect(of({ SPAWNPOINT_CHECK_DAYS: '0', SPAWNPOINT_DRILL_DAYS: '1' })).toEqual({
    checkEveryMs: null,
    drillEveryMs: day,
  })
  expect(() => of({ SPAWNPOINT_DRILL_DAYS: 'often' })).toThrow('SPAWNPOINT_DRILL_DAYS')
})

it('lets no single sandbox use up the processes of the host', () => {
  const { core } = configFrom({}, { SPAWNPOINT_RUNSC: '/bin/true', SPAWNPOINT_AGENT: '/bin/true' })
  const { maxProcesses } = core.maxResources
  // What the driver allows it in threads of the host, see hostProcessLimit
  expect(maxProcesses * 3 + 512).toBeLessThanOrEqual(Math.min(read('pid_max'), read('threads-max')) / 2)
  expect(maxProcesses).toBeGreaterThanOrEqual(core.resources.maxProcesses)
})

it('takes for its issuer an address that clouds can ask', () => {
  const of = (issuer?: string) =>
    configFrom({}, { SPAWNPOINT_RUNSC: '/bin/true', SPAWNPOINT_AGENT: '/bin/true', SPAWNPOINT_ISSUER: issuer }).issuer
  expect([of(), of(''), of('https://box.example.com/'), of('https://box.example.com:8443')]).toEqual([
    null,
    null,
    'https://box.example.com',
    'https://box.example.com:8443',
  ])
  for (const bad of [
    'http://box.example.com',
    'box.example.com',
    'https://a:b@c.test',
    'https://a.test/path',
    'https://a.test/?b',
  ])
    expect(() => of(bad)).toThrow('SPAWNPOINT_ISSUER')
})
