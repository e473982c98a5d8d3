import type { IngressPolicy, Principal, Sandbox, SpawnpointApi } from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { INSECURE_PORTS } from '../../secure.ts'
import { refuseUnsupported, tlsPorts } from '../create-request.ts'
import { egressOf } from '../network.ts'
import { network } from '../schemas.ts'

/** Fields with which a connect or a reset changes who reaches the sandbox. */
export const reach = {
  secure: optional(z.boolean()),
  allowPublicTraffic: optional(z.boolean()),
  network: optional(network),
}

export type Reach = z.output<z.ZodObject<typeof reach>>

/** The sandbox as it is then; what is absent stays as it was. */
export async function changeReach(api: SpawnpointApi, by: Principal, sandbox: Sandbox, asked: Reach): Promise<Sandbox> {
  refuseUnsupported(asked)
  const ingress = ingressChange(asked)
  const { allowOut, denyOut } = asked.network ?? {}
  const egress = allowOut === undefined && denyOut === undefined ? undefined : egressOf({ allowOut, denyOut })
  if (Object.keys(ingress).length === 0 && egress === undefined) return sandbox
  return api.sandboxes.update(by, sandbox.id, { ingress, ...(egress === undefined ? {} : { network: egress }) })
}

function ingressChange({ secure, allowPublicTraffic, network: asked }: Reach): Partial<IngressPolicy> {
  const isPublic = allowPublicTraffic ?? asked?.allowPublicTraffic
  return {
    ...(isPublic === undefined ? {} : { default: isPublic ? 'open' : 'token' }),
    ...(secure === undefined ? {} : { ports: secure ? {} : INSECURE_PORTS }),
    ...(asked?.maskRequestHost === undefined ? {} : { hostHeader: asked.maskRequestHost }),
    ...tlsPorts(asked?.httpsPorts),
  }
}
