import { z } from 'zod'
import { id, pageQuery, sandboxName, time } from './common.ts'
import { component } from './registry.ts'

const url = z
  .string()
  .min(1)
  .max(512)
  .describe('`HOST[:PORT][/PREFIX]`, with the scheme `http` before it for one without TLS')
const username = z.string().min(1).max(256)
const password = z
  .string()
  .max(16 * 1024)
  .describe('Stored encrypted, and never given out')

export const createRegistryBody = component(
  'CreateRegistry',
  z.strictObject({
    name: sandboxName.describe("Unique among the team's"),
    url,
    username: username.optional(),
    password: password.optional(),
  }),
  { examples: [{ name: 'ours', url: 'registry.example/team', username: 'ci', password: 'a token' }] },
)

export const updateRegistryBody = component(
  'UpdateRegistry',
  z.strictObject({
    name: sandboxName.optional(),
    url: url.optional(),
    username: username.nullable().optional(),
    password: password.nullable().optional(),
  }),
  {
    description: 'What is absent stays as it is; a new address without a new password forgets the password.',
    examples: [{ password: 'another token' }],
  },
)

export const listRegistriesQuery = z.strictObject({
  ...pageQuery,
  nameContains: z.string().max(128).optional().describe('In either case'),
})

export const registry = component(
  'Registry',
  z.object({
    id,
    name: z.string(),
    url: z.string(),
    username: z.string().nullable(),
    createdAt: time,
    updatedAt: time,
  }),
  {
    description: 'Where images are kept, and as whom they are got. Pulls from its address use its user and password.',
  },
)
