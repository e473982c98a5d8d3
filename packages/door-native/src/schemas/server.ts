import type { SandboxRequest, SandboxState } from '@spawnpoint/core'
import { z } from 'zod'
import { component } from './registry.ts'
import { sandboxState } from './sandbox.ts'

const sandboxRequest = z.enum([
  'snapshot',
  'fork',
  'pause',
  'resume',
  'stop',
  'start',
  'rollback',
  'kill',
] as const satisfies readonly Exclude<SandboxRequest, 'use'>[])

export const server = component(
  'Server',
  z.object({
    version: z.string(),
    domain: z
      .string()
      .nullable()
      .describe(
        '`host[:port]`; ports of sandboxes answer at `PORT-ID.DOMAIN`. On the server itself `localhost` always does',
      ),
    lifecycle: z
      .record(sandboxState, z.array(sandboxRequest))
      .describe('What a sandbox can be asked for, by its state') satisfies z.ZodType<
      Record<SandboxState, Exclude<SandboxRequest, 'use'>[]>
    >,
  }),
)
