import { z } from 'zod'

/** Bytes that Linux takes in one argument, without the zero that ends it */
export const ARGUMENT_MAX_BYTES = 128 * 1024 - 1

/** What arguments, directories and variables can hold. The guest leaves a variable out that holds another, and says nothing. */
export const noNul = z.string().regex(/^[^\0]*$/, 'must not contain NUL')

/** A command that a shell gets as one argument. */
export const commandText = noNul
  .min(1)
  .refine((text) => Buffer.byteLength(text) <= ARGUMENT_MAX_BYTES, `at most ${ARGUMENT_MAX_BYTES} bytes`)

/** Variables of one process. */
export const variables = z
  .record(z.string(), noNul)
  .refine((env) => Object.keys(env).every((name) => /^[^=\0]+$/.test(name)), {
    message: 'names of variables must not be empty, nor contain = or NUL',
  })
