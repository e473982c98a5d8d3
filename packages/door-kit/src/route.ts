import type { Principal } from '@spawnpoint/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

export interface Answer {
  status: number
  /** Absent for none: a length of nought is then said */
  body?: unknown
  headers?: Record<string, string>
}

/** The handler has taken the response over. */
export const STREAMED = Symbol('streamed')

/** One request, validated. */
export interface Call<P = unknown, Q = unknown, B = unknown> {
  by: Principal
  params: P
  query: Q
  body: B
  request: FastifyRequest
  reply: FastifyReply
  /** Aborted when the client has gone or the server closes */
  signal: AbortSignal
}

export interface RouteSpec<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  method: Method | readonly Method[]
  /** In the router's form, without the door's prefix */
  path: string
  params?: P
  query?: Q
  body?: B
  /** The body is left to the handler, in `request.raw` */
  rawBody?: boolean
  handle(call: Call<z.output<P>, z.output<Q>, z.output<B>>): Promise<Answer | typeof STREAMED>
}

/** A route whose types are checked and then forgotten. */
export type AnyRoute = Omit<RouteSpec<z.ZodType, z.ZodType, z.ZodType>, 'handle'> & {
  // biome-ignore lint/suspicious/noExplicitAny: `route` checked the handler against its schemas; the list holds all kinds
  handle(call: Call<any, any, any>): Promise<Answer | typeof STREAMED>
}

export function route<
  P extends z.ZodType = z.ZodType<Record<string, never>>,
  Q extends z.ZodType = z.ZodType<Record<string, never>>,
  B extends z.ZodType = z.ZodType<undefined>,
>(spec: RouteSpec<P, Q, B>): AnyRoute {
  return spec as AnyRoute
}

/** A field that may be left out or be `null`, which many clients use for the same. */
export function optional<T extends z.ZodType>(schema: T) {
  return z.nullish(schema).transform((value) => value ?? undefined)
}
