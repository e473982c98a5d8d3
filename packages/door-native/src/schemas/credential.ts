import type { ShownCredentialRule } from '@spawnpoint/core'
import { z } from 'zod'
import { env } from './common.ts'
import { component } from './registry.ts'

const header = z.string().min(1).max(128).describe('Name of a header')
const credentialHosts = z
  .array(z.string().min(1).max(255))
  .min(1)
  .max(64)
  .describe('Host names, or `*.name` for all below it; over HTTP on port 80 and TLS on port 443')
const credentialPaths = z
  .array(z.string().min(1).max(1024))
  .max(64)
  .describe('A whole path, `/prefix/*`, `*/suffix` or `*`, without the query; none for all')
const matchHeaders = z
  .array(z.strictObject({ name: header, value: z.string().max(16_384) }))
  .max(64)
  .describe('The request must have all of these, with these values')

export const credentialRule: z.ZodType<ShownCredentialRule> = component(
  'CredentialRule',
  z.object({
    name: z.string(),
    enabled: z.boolean(),
    hosts: credentialHosts,
    paths: credentialPaths,
    matchHeaders,
    headers: z
      .array(
        z.object({
          name: header,
          value: z.string().nullable().describe('`null` for a secret'),
          template: z.string().optional().describe('Where it refers to secrets of the team'),
          secret: z.boolean(),
        }),
      )
      .describe('Put into requests after they have left the sandbox, in place of what these have'),
    env: env.describe("For the sandbox's processes, under its own variables; not secret"),
  }),
  {
    examples: [
      {
        name: 'api',
        enabled: true,
        hosts: ['api.example.com'],
        paths: [],
        matchHeaders: [],
        headers: [{ name: 'authorization', value: null, secret: true }],
        env: {},
      },
    ],
  },
)

export const credentialsChange = z
  .array(
    z.strictObject({
      name: z.string().min(1).max(128).describe("Unique among the sandbox's"),
      enabled: z.boolean().optional().describe('Default true'),
      hosts: credentialHosts,
      paths: credentialPaths.optional(),
      matchHeaders: matchHeaders.optional(),
      headers: z
        .array(
          z.strictObject({
            name: header,
            value: z
              .string()
              .max(16_384)
              .optional()
              .describe('Absent for a secret that the rule of this name and these hosts has already'),
            template: z
              .string()
              .max(16_384)
              .optional()
              .describe('Instead of `value`: text in which each `{NAME}` stands for a secret of the team'),
            secret: z.boolean().optional().describe('Never told to anybody again; default true'),
          }),
        )
        .max(64),
      env: env.optional(),
    }),
  )
  .max(64)
  .describe('What is put into requests to named hosts; of several rules that fit a request the first counts')
