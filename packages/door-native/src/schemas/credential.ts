import type { ShownCredentialRule } from '@spawnpoint/core'
import { z } from 'zod'
import { env, milliseconds } from './common.ts'
import { component } from './registry.ts'

const header = z.string().min(1).max(128).describe('Name of a header')
const credentialHosts = z
  .array(z.string().min(1).max(255))
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

export const shownHeaders = z.array(
  z.object({
    name: header,
    value: z.string().nullable().describe('`null` for a secret'),
    template: z.string().optional().describe('Where it refers to secrets of the team'),
    secret: z.boolean(),
  }),
)

export const setHeaders = z
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
  .max(64)

const description = z.string().max(1024).optional().describe('What it is for, in words')

const port = z.literal([80, 443]).optional().describe('On this one alone; absent for both')
const everywhere = z
  .boolean()
  .optional()
  .describe('Its headers, none secret, go into requests to all hosts that other rules name; it names none')

const rewrite = z
  .object({
    host: z.string().min(1).max(253).describe('Over TLS; on a private network only where the operator allows it'),
    port: z.int().min(1).max(65_535),
    guestCredentials: z
      .enum(['strip', 'redact', 'keep'])
      .describe('What becomes of credentials that the sandbox sends: taken out, made unreadable, or left'),
  })
  .optional()
  .describe('Where requests go instead of to the hosts; not together with `auth`')

const storageAccount = z.string().min(3).max(24).describe('Name of the storage account')
const subject = z
  .string()
  .min(1)
  .max(128)
  .optional()
  .describe("Behind `team:ID:` in the token's subject; absent for `team:ID` alone")

/** Ways to give a request its credential, each with the values that it needs. */
export function auths<V extends z.ZodType>(values: V) {
  return z.discriminatedUnion('type', [
    z.object({
      type: z.literal('aws').describe('Signed anew (Signature Version 4); values `access_key_id`, `secret_access_key`'),
      values,
    }),
    z.object({
      type: z.literal('google').describe('A bearer token; value `service_account`, its JSON'),
      scopes: z.array(z.string().min(1).max(512)).min(1).max(64).describe('OAuth scopes'),
      values,
    }),
    z.object({
      type: z.literal('azure_key').describe('Signed for a storage account (Shared Key); value `account_key`'),
      account: storageAccount,
      values,
    }),
    z.object({
      type: z
        .literal('azure_sas')
        .describe('A shared access signature in the query, for a storage account; value `sas_token`'),
      account: storageAccount,
      values,
    }),
    z.object({
      type: z
        .literal('aws_role')
        .describe('Signed with the keys of a role that trusts this server (AssumeRoleWithWebIdentity); no values'),
      role: z.string().min(1).max(600).describe('Its ARN'),
      sessionTags: z.record(z.string().min(1).max(128), z.string().min(1).max(256)),
      subject,
      values,
    }),
    z.object({
      type: z
        .literal('google_identity')
        .describe('A bearer token by Workload Identity Federation, which trusts this server; no values'),
      provider: z
        .string()
        .min(1)
        .max(512)
        .describe('`//iam.googleapis.com/projects/N/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`'),
      serviceAccount: z.string().max(256).nullable().describe('`null` for the federated identity itself'),
      scopes: z.array(z.string().min(1).max(512)).min(1).max(64).describe('OAuth scopes'),
      subject,
      values,
    }),
    z.object({
      type: z
        .literal('azure_identity')
        .describe(
          "A bearer token of Entra ID, by an application's federated credential that trusts this server; no values",
        ),
      tenant: z.string().min(1).max(64).describe('Id of the directory'),
      client: z.string().min(1).max(64).describe('Id of the application'),
      resources: z
        .array(z.enum(['storage', 'vault', 'management', 'cognitive_services']))
        .min(1)
        .max(4),
      subject,
      values,
    }),
    z.object({
      type: z
        .literal('identity')
        .describe("Headers with the server's own tokens, for services that trust it; no values"),
      audiences: z
        .record(z.string().min(1).max(128), z.string().min(1).max(512))
        .describe('Of each token, by its name'),
      tokenHeaders: z
        .array(z.object({ name: header, template: z.string().min(1).max(1024) }))
        .max(64)
        .describe('Each `{NAME}` stands for the token of that name'),
      subject,
      values,
    }),
    z.object({
      type: z
        .literal('placeholders')
        .describe(
          'Over TLS alone: each value in place of its name (16 to 128 letters, digits, _ and -), in target and headers',
        ),
      values,
    }),
    z.object({
      type: z
        .literal('callback')
        .describe('What a web service says; for hosts of no other rule. The values are headers of the question'),
      url: z.string().min(1).max(2048).describe('Asked by POST with `host`, `port` and `identity`; answers `headers`'),
      ttlMs: milliseconds.min(1_000).max(86_400_000).describe('How long an answer is used for a host'),
      wholeRequest: z.boolean().describe('The question has the request, and is asked for each'),
      signature: z
        .object({ header, subject: z.string().min(1).max(128) })
        .describe('Header of the question with a JSON Web Token; its key is at `/.well-known/jwks.json`'),
      values,
    }),
  ])
}

export const credentialRule: z.ZodType<ShownCredentialRule> = component(
  'CredentialRule',
  z.object({
    name: z.string(),
    enabled: z.boolean(),
    description,
    hosts: credentialHosts,
    port,
    everywhere,
    paths: credentialPaths,
    matchHeaders,
    headers: shownHeaders.describe('Put into requests after they have left the sandbox, in place of what these have'),
    rewrite,
    auth: auths(shownHeaders).optional().describe('Another way to give requests their credential'),
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
      description,
      hosts: credentialHosts.describe('None for all of the service that `auth` is for, and with `everywhere`'),
      port,
      everywhere,
      paths: credentialPaths.optional(),
      matchHeaders: matchHeaders.optional(),
      headers: setHeaders,
      rewrite,
      auth: auths(setHeaders).optional().describe('Another way to give requests their credential'),
      env: env.optional(),
    }),
  )
  .max(64)
  .describe('What is put into requests to named hosts; of several rules that fit a request the first counts')
