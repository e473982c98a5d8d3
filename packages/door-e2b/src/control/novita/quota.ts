import { type AnyRoute, route } from '@spawnpoint/door-kit'
import type { DoorContext } from '../door-context.ts'
import { MAX_HOURS } from '../timeouts.ts'

const MIB = 2 ** 20
/** No limit: clients compute with it, and take an absent one for none left. */
const UNLIMITED = 2 ** 31 - 1

export function quotaRoute({ api }: DoorContext): AnyRoute {
  return route({
    method: 'GET',
    path: '/sandboxes/quota',
    handle: async (call) => {
      const { limits, used } = await api.keys.team(call.by)
      const { maxResources } = api.limits
      const mib = (bytes: number) => Math.floor(bytes / MIB)
      return {
        status: 200,
        body: {
          limit: {
            concurrentInstances: limits.sandboxes ?? UNLIMITED,
            concurrentVcpu: limits.cpus ?? UNLIMITED,
            concurrentRamMb: limits.memoryBytes === null ? UNLIMITED : mib(limits.memoryBytes),
            maxLengthHours: MAX_HOURS,
            diskMb: mib(maxResources.diskBytes),
            maxVcpu: maxResources.cpus,
            maxRamMb: mib(maxResources.memoryBytes),
          },
          usage: {
            concurrentInstances: used.sandboxes,
            concurrentVcpu: used.cpus,
            concurrentRamMb: mib(used.memoryBytes),
          },
        },
      }
    },
  })
}
