import { z } from 'zod'
import { pageQuery, time } from './common.ts'
import { component } from './registry.ts'

const secretName = z.string().min(1).max(128).describe('`[A-Za-z_][A-Za-z0-9_.-]{0,127}`')
const secretHosts = z.array(z.string().min(1).max(255)).max(64)

export const secretParams = z.object({ name: secretName })

export const setSecretBody = component(
  'SetSecret',
  z.strictObject({
    value: z
      .string()
      .min(1)
      .max(16 * 1024)
      .describe('Visible ASCII; stored encrypted, and never given out'),
    hosts: secretHosts.optional().describe('The only hosts that it may be sent to, names or `*.name`; default all'),
  }),
  { examples: [{ value: 'sk-1234', hosts: ['api.example.com'] }] },
)

export const listSecretsQuery = z.strictObject({
  ...pageQuery,
  nameContains: z.string().max(128).optional().describe('In either case'),
})

export const secret = component(
  'Secret',
  z.object({
    name: z.string(),
    hosts: secretHosts,
    version: z.int().describe('How many values it has had'),
    createdAt: time,
    updatedAt: time,
  }),
  {
    description: 'A value that rules of sandboxes put into requests, as `{NAME}` in the template of a header.',
    examples: [
      {
        name: 'API_KEY',
        hosts: ['api.example.com'],
        version: 1,
        createdAt: '2026-11-20T10:00:00.000Z',
        updatedAt: '2026-11-20T10:00:00.000Z',
      },
    ],
  },
)
