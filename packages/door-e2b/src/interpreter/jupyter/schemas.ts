import { z } from 'zod'

/** Goes into paths of requests, so it is no more than that. */
const id = z.string().regex(/^[\w-]{1,64}$/)

/** What Jupyter says; it comes out of the sandbox, so nothing of it is certain. */
export const sessionSchema = z.object({
  id,
  path: z.string().max(8_192),
  name: z.string().max(256).nullable(),
  type: z.string().max(64).nullable(),
  kernel: z.object({ id }).nullable(),
})
export const sessionsSchema = z.array(sessionSchema).max(1_000)
export type Session = z.infer<typeof sessionSchema>

export const kernelSpecsSchema = z.object({
  kernelspecs: z.record(
    z.string().regex(/^[\w.-]{1,64}$/),
    z.object({ spec: z.object({ language: z.string().max(64).default('') }) }),
  ),
})

/** Message of a kernel (Jupyter's messaging protocol 5), as its WebSocket carries it. */
export const kernelMessageSchema = z.object({
  header: z.object({ msg_type: z.string(), date: z.string().max(64).catch('') }),
  parent_header: z.object({ msg_id: z.string().optional() }),
  content: z.record(z.string(), z.unknown()),
})
export type KernelMessage = z.infer<typeof kernelMessageSchema>
