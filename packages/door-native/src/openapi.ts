import { STATUS_CODES } from 'node:http'
import type { ErrorCode } from '@spawnpoint/core'
import { z } from 'zod'
import { WORDINGS } from './problem.ts'
import type { AnyRoute, ResponseSpec } from './route.ts'
import { components, errorCodes, errorContexts, problem } from './schemas/index.ts'

export type Json = { [key: string]: unknown }

export interface OpenApiDocument {
  openapi: string
  info: { title: string; version: string; description: string }
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Json>; securitySchemes: Json }
  'x-error-codes': Record<string, ErrorDescription>
  [more: string]: unknown
}

export interface Operation {
  operationId: string
  tags: string[]
  summary: string
  description?: string
  parameters: Json[]
  requestBody?: Json
  responses: Record<string, Json>
}

export interface ErrorDescription {
  status: number
  title: string
  meaning: string
  retry: boolean
  context: Json
}

/** Errors that any request can meet. */
const ALWAYS: ErrorCode[] = [
  'invalid_argument',
  'unauthenticated',
  'forbidden',
  'rate_limited',
  'unavailable',
  'internal',
]

const TAGS = [
  { name: 'sandboxes', description: 'Isolated Linux machines, made from an image or a snapshot' },
  { name: 'snapshots', description: 'Captured points of a sandbox, to spawn from or roll back to' },
  { name: 'schedules', description: 'Snapshots at set times, and how many of them stay' },
  { name: 'images', description: 'Named, read-only root filesystems' },
  { name: 'volumes', description: 'Files that outlive the sandboxes which mount them' },
  { name: 'secrets', description: 'Values that rules of sandboxes put into their requests' },
  { name: 'registries', description: 'Where images are got from' },
  { name: 'names', description: 'Names whose tags point to images and snapshots' },
  { name: 'blobs', description: 'Files that builds copy from' },
  { name: 'processes', description: 'Programs in a sandbox' },
  { name: 'files', description: 'Files in a sandbox' },
  { name: 'ports', description: 'What listens in a sandbox' },
  { name: 'operations', description: 'Recorded pieces of work' },
  { name: 'events', description: 'What happened' },
  { name: 'keys', description: 'Access' },
  { name: 'usage', description: 'What was used' },
  { name: 'audit', description: 'Who has asked for what' },
  { name: 'teams', description: 'All teams of the server; for keys with the scope `server`' },
  { name: 'server', description: 'The server itself' },
]

const DESCRIPTION = `Times are ISO-8601 in UTC, sizes in bytes, durations in milliseconds. Unknown fields are refused.

Long work answers when it is done. With \`?wait=false\` or \`Prefer: respond-async\` it answers 202 once it is accepted and recorded; \`Location\` names the operation. A client that goes away cancels nothing.

\`Idempotency-Key\` makes a repeated POST answer as the first time, for 24 hours. Lists answer \`items\` and \`nextCursor\`. Errors are \`application/problem+json\` with a stable \`code\`, except 431, by which a request with more than 16 KiB of address and headers is refused before it is read.`

export function openapiDocument(routes: readonly AnyRoute[], version: string): OpenApiDocument {
  const paths: OpenApiDocument['paths'] = {}
  for (const spec of routes) {
    const item = paths[`/v1${spec.path}`] ?? {}
    paths[`/v1${spec.path}`] = item
    const methods = Array.isArray(spec.method) ? spec.method : [spec.method]
    for (const method of methods) {
      const suffix = methods.length > 1 ? method[0] + method.slice(1).toLowerCase() : ''
      item[method.toLowerCase()] = operation(spec, spec.operationId + suffix)
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Spawnpoint', version, description: DESCRIPTION },
    servers: [{ url: '/' }],
    tags: TAGS,
    security: [{ bearer: [] }, { apiKey: [] }],
    paths,
    components: {
      schemas: componentSchemas(),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'API key' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
    'x-error-codes': errorDescriptions(),
  }
}

function operation(spec: AnyRoute, operationId: string): Operation {
  const parameters = [...parametersOf(spec.params, 'path'), ...parametersOf(spec.query, 'query')]
  if (spec.idempotent) {
    const description = 'Answers a repeat as the first time; kept 24 hours'
    parameters.push({
      name: 'Idempotency-Key',
      in: 'header',
      required: false,
      description,
      schema: { type: 'string', maxLength: 255 },
    })
  }
  return {
    operationId,
    tags: [spec.tag],
    summary: spec.summary,
    ...(spec.description === undefined ? {} : { description: spec.description }),
    parameters,
    ...requestBody(spec),
    responses: { ...successes(spec), ...failures(spec) },
  }
}

function requestBody(spec: AnyRoute): { requestBody?: Json } {
  if (spec.rawBody) return { requestBody: { content: { 'application/octet-stream': {} } } }
  if (spec.body === undefined) return {}
  const required = !spec.body.safeParse({}).success
  return { requestBody: { required, content: { 'application/json': media(spec.body) } } }
}

function successes(spec: AnyRoute): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(spec.responses).map(([status, response]) => [status, responseOf(Number(status), response)]),
  )
}

function responseOf(status: number, { description, schema, also }: ResponseSpec): Json {
  const content: Json = {}
  if (schema !== undefined) content[status >= 400 ? 'application/problem+json' : 'application/json'] = media(schema)
  for (const [type, other] of Object.entries(also ?? {})) content[type] = other === null ? {} : media(other)
  return Object.keys(content).length === 0 ? { description } : { description, content }
}

function failures(spec: AnyRoute): Record<string, Json> {
  const byStatus = new Map<number, ErrorCode[]>()
  const hasBody = spec.body === undefined ? [] : (['payload_too_large'] as const)
  const idempotent = spec.idempotent ? (['idempotency_mismatch', 'operation_in_progress'] as const) : []
  for (const code of new Set<ErrorCode>([...ALWAYS, ...hasBody, ...idempotent, ...(spec.errors ?? [])])) {
    const status = statusFor(code)
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  // The router's own answer to a name that is longer than any can be.
  if (spec.params !== undefined) byStatus.set(414, ['invalid_argument'])
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: `${STATUS_CODES[status]}: ${codes.map((code) => `\`${code}\``).join(', ')}`,
        content: { 'application/problem+json': media(problem) },
        'x-error-codes': codes,
      },
    ]),
  )
}

/** Where the status depends on the context: the one for what is not special. */
function statusFor(code: ErrorCode): number {
  const { status } = WORDINGS[code]
  return typeof status === 'number' ? status : 422
}

function errorDescriptions(): Record<string, ErrorDescription> {
  return Object.fromEntries(
    errorCodes.map((code) => {
      const { title, meaning, retry } = WORDINGS[code]
      return [code, { status: statusFor(code), title, meaning, retry, context: jsonSchema(errorContexts[code]) }]
    }),
  )
}

function parametersOf(schema: z.ZodType | undefined, place: 'path' | 'query'): Json[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = jsonSchema(schema) as {
    properties?: Record<string, Json>
    required?: string[]
  }
  return Object.entries(properties).map(([key, property]) => {
    const { description, ...rest } = property
    return {
      name: key === '*' ? 'path' : key,
      in: place,
      required: place === 'path' || required.includes(key),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    }
  })
}

function media(schema: z.ZodType): Json {
  const examples = components.get(schema)?.examples
  const named = examples?.map((value, i) => [`example${i + 1}`, { value }])
  return { schema: jsonSchema(schema), ...(named === undefined ? {} : { examples: Object.fromEntries(named) }) }
}

// ---------------------------------------------------------------- JSON schema

const COMMON = {
  target: 'draft-2020-12',
  // What a client may send; answers have no defaults and no transforms, so for them it is the same.
  io: 'input',
  unrepresentable: 'any',
  override: ({ zodSchema, jsonSchema }: { zodSchema: unknown; jsonSchema: Json }) => {
    // `describe` writes into zod's own registry, which is not read as names come from ours.
    const description = z.globalRegistry.get(zodSchema as z.ZodType)?.description
    if (description !== undefined) jsonSchema.description ??= description
    // The pattern says no more than the format.
    if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
  },
} as const

/** A reference where the schema has a name of its own; named schemas inside it are references too. */
function jsonSchema(schema: z.ZodType): Json {
  const id = components.get(schema)?.id
  if (id !== undefined) return { $ref: `#/components/schemas/${id}` }
  const { $schema: _, $defs: __, ...rest } = z.toJSONSchema(schema, { ...COMMON, metadata: components }) as Json
  return refsToComponents(rest) as Json
}

function componentSchemas(): Record<string, Json> {
  const { schemas } = z.toJSONSchema(components, {
    ...COMMON,
    metadata: components,
    uri: (id) => `#/components/schemas/${id}`,
  })
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => {
      const { $schema: _, $id: __, id: ___, ...rest } = schema as Json
      return [id, rest]
    }),
  )
}

function refsToComponents(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, inner) =>
    key === '$ref' && typeof inner === 'string' ? inner.replace('#/$defs/', '#/components/schemas/') : inner,
  )
}
