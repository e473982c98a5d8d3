import type { Principal } from '@spawnpoint/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface Answer {
  status: number
  /** Absent for none: a length of nought is then said, or the clients would try to parse it */
  body?: unknown
  headers?: Record<string, string>
}

/** One request, validated. */
export interface Call<P = unknown, Q = unknown, B = unknown> {
  by: Principal
  params: P
  query: Q
  body: B
  request: FastifyRequest
  reply: FastifyReply
}

export interface RouteSpec<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  method: Method
  /** In the router's form, without the prefix */
  path: string
  params?: P
  query?: Q
  body?: B
  handle(call: Call<z.output<P>, z.output<Q>, z.output<B>>): Promise<Answer>
}

/** A route whose types are checked and then forgotten. */
export type AnyRoute = Omit<RouteSpec<z.ZodType, z.ZodType, z.ZodType>, 'handle'> & {
  // biome-ignore lint/suspicious/noExplicitAny: `route` checked the handler against its schemas; the list holds all kinds
  handle(call: Call<any, any, any>): Promise<Answer>
}

export function route<
  P extends z.ZodType = z.ZodType<Record<string, never>>,
  Q extends z.ZodType = z.ZodType<Record<string, never>>,
  B extends z.ZodType = z.ZodType<undefined>,
>(spec: RouteSpec<P, Q, B>): AnyRoute {
  return spec as AnyRoute
}

export const sandboxParams = z.object({ id: z.string().max(160) })
export const templateParams = z.object({ id: z.string().max(256) })

/** A field that may be left out or be `null`, which is the same in this protocol. */
export function optional<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined)
}
