import type { ErrorCode, Principal } from '@spawnpoint/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Credentials } from './credentials.ts'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

export interface ResponseSpec {
  description: string
  /** JSON body; absent for none */
  schema?: z.ZodType
  /** Bodies of other media types, `null` for bytes */
  also?: Record<string, z.ZodType | null>
}

type Responses = Record<number, ResponseSpec>

type BodyOf<R extends ResponseSpec> = R extends { schema: infer S extends z.ZodType } ? z.output<S> : undefined

export type Answer<R extends Responses> = {
  [S in keyof R & number]: { status: S; body: BodyOf<R[S]>; headers?: Record<string, string> }
}[keyof R & number]

/** Says that the handler took over the reply and has written it. */
export const STREAMED = Symbol('streamed')

/** One request, validated. */
export interface Call<P = unknown, Q = unknown, B = unknown> {
  by: Principal
  credentials: Credentials
  params: P
  query: Q
  body: B
  request: FastifyRequest
  reply: FastifyReply
  /** Aborts when the client goes away or the server closes. Made at first use. */
  readonly signal: AbortSignal
}

export interface RouteSpec<
  R extends Responses = Responses,
  P extends z.ZodType = z.ZodType,
  Q extends z.ZodType = z.ZodType,
  B extends z.ZodType = z.ZodType,
> {
  method: Method | Method[]
  /** As in the OpenAPI document, without `/v1` */
  path: string
  /** Where the router needs another form of `path` */
  routerPath?: string
  operationId: string
  tag: string
  summary: string
  description?: string
  params?: P
  /** Absent: no query parameters */
  query?: Q
  body?: B
  /** The body reaches the handler as a stream of bytes, of any size */
  rawBody?: boolean
  responses: R
  errors?: ErrorCode[]
  /** Honours `Idempotency-Key`; `early`: see `IdempotencyApi.once` */
  idempotent?: boolean | 'early'
  handle(call: Call<z.output<P>, z.output<Q>, z.output<B>>): Promise<Answer<NoInfer<R>> | typeof STREAMED>
}

// biome-ignore lint/suspicious/noExplicitAny: `route` checked the handler against its schemas; the list holds all kinds
type AnyCall = Call<any, any, any>

/** A route whose types are checked and then forgotten. */
export type AnyRoute = Omit<RouteSpec, 'handle'> & {
  handle(call: AnyCall): Promise<{ status: number; body: unknown; headers?: Record<string, string> } | typeof STREAMED>
}

export function route<
  const R extends Responses,
  P extends z.ZodType = z.ZodType<Record<string, never>>,
  Q extends z.ZodType = z.ZodType<Record<string, never>>,
  B extends z.ZodType = z.ZodType<undefined>,
>(spec: RouteSpec<R, P, Q, B>): AnyRoute {
  return spec as AnyRoute
}

export const idParams = z.object({ id: z.string().min(1).max(160).describe('Id, or the name it bears while it lives') })
export const refParams = z.object({
  ref: z.string().min(1).max(400).describe('Id, name, `NAME:TAG` or `NAME@ID`'),
})
