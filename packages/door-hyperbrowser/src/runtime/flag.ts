import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'

/** Of a body, or of a query as JavaScript's client writes it, or Python's. */
export const flag = optional(
  z.union([
    z.boolean(),
    z
      .string()
      .regex(/^(true|false)$/i, 'true or false')
      .transform((text) => text.toLowerCase() === 'true'),
  ]),
)
