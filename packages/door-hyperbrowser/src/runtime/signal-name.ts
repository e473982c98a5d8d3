import { z } from 'zod'

/** `TERM`, `SIGTERM`, `term` or `15`, as the agent takes it. */
export const signalName = z
  .string()
  .regex(/^((SIG)?(?!SIG$)[A-Z][A-Z0-9]{0,9}|[1-9]\d?)$/i, 'a name such as TERM, or a number')
  .transform((given): string | number => {
    if (/^\d/.test(given)) return Number(given)
    return `SIG${given.toUpperCase().replace(/^SIG/, '')}`
  })
