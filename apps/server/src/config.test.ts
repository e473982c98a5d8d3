import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { configFrom } from './config.ts'

const read = (name: string) => Number(readFileSync(`/proc/sys/kernel/${name}`, 'utf8'))

it('lets no single sandbox use up the processes of the host', () => {
  const { core } = configFrom({}, { SPAWNPOINT_RUNSC: '/bin/true', SPAWNPOINT_AGENT: '/bin/true' })
  const { maxProcesses } = core.maxResources
  // What the driver allows it in threads of the host, see hostProcessLimit
  expect(maxProcesses * 3 + 512).toBeLessThanOrEqual(Math.min(read('pid_max'), read('threads-max')) / 2)
  expect(maxProcesses).toBeGreaterThanOrEqual(core.resources.maxProcesses)
})
