import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { rulesSchema } from './network-rules.ts'

/** Whole seconds that fit the 32 bits which the protocol has for them. */
export const seconds = z.int32()

export const egress = {
  allowOut: optional(z.array(z.string()).max(256)),
  denyOut: optional(z.array(z.string()).max(256)),
  dnsServers: optional(z.array(z.ipv4()).max(10)),
  rules: optional(rulesSchema),
  egressProxy: optional(z.record(z.string(), z.unknown())),
}

export const network = z.object({
  ...egress,
  allowPublicTraffic: optional(z.boolean()),
  maskRequestHost: optional(z.string().min(1).max(255)),
  httpsPorts: optional(z.array(z.int())),
})

const environment = z.record(z.string(), z.string())

export const createBody = z.object({
  templateID: z.string().min(1).max(256),
  timeout: optional(seconds),
  metadata: optional(environment),
  envVars: optional(environment),
  secure: optional(z.boolean()),
  allow_internet_access: optional(z.boolean()),
  network: optional(network),
  autoPause: optional(z.boolean()),
  autoPauseMemory: optional(z.boolean()),
  autoResume: optional(z.object({ enabled: optional(z.boolean()) })),
  iam: optional(
    z.object({
      tokens: optional(z.record(z.string(), z.object({ audience: z.string(), tokenType: z.literal('JWT-SVID') }))),
    }),
  ),
  volumeMounts: optional(z.array(z.object({ name: z.string().min(1).max(128), path: z.string().max(1024) })).max(16)),
  /** Names of secrets by variable; Novita's */
  secrets: optional(environment),
})

export type CreateBody = z.output<typeof createBody>

export const limit = optional(
  z.coerce
    .number()
    .int()
    .positive()
    .transform((value) => Math.min(value, 100)),
)

export const nextToken = optional(z.string().max(512))

export const sandboxParams = z.object({ id: z.string().max(160) })
export const templateParams = z.object({ id: z.string().max(256) })
