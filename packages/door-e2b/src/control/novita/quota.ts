import { type AnyRoute, everyPage, route } from '@spawnpoint/door-kit'
import type { DoorContext } from '../door-context.ts'
import { statesShownAs } from '../states.ts'
import { MAX_HOURS } from '../timeouts.ts'

const MIB = 2 ** 20
/** No limit: clients compute with it, and take an absent one for none left. */
const UNLIMITED = 2 ** 31 - 1

export function quotaRoute({ api }: DoorContext): AnyRoute {
  return route({
    method: 'GET',
    path: '/sandboxes/quota',
    handle: async (call) => {
      const running = await everyPage((page) =>
        api.sandboxes.list(call.by, { states: statesShownAs(['running']) }, page),
      )
      const sum = (of: (resources: (typeof running)[number]['resources']) => number) =>
        running.reduce((total, { resources }) => total + of(resources), 0)
      const { maxResources } = api.limits
      return {
        status: 200,
        body: {
          limit: {
            concurrentInstances: UNLIMITED,
            concurrentVcpu: UNLIMITED,
            concurrentRamMb: UNLIMITED,
            maxLengthHours: MAX_HOURS,
            diskMb: Math.floor(maxResources.diskBytes / MIB),
            maxVcpu: maxResources.cpus,
            maxRamMb: Math.floor(maxResources.memoryBytes / MIB),
          },
          usage: {
            concurrentInstances: running.length,
            concurrentVcpu: sum(({ cpus }) => cpus),
            concurrentRamMb: Math.floor(sum(({ memoryBytes }) => memoryBytes) / MIB),
          },
        },
      }
    },
  })
}
