import { z } from 'zod'
import { component } from './registry.ts'

const fields = {
  name: z.string().min(1).max(64).describe("Letters, digits, `_` and `-`; unique among the sandbox's"),
  path: z.string().min(2).max(1024).describe('Directory that they are put into, in the place of what it had; absolute'),
}
const url = z.string().min(1).max(2048).describe('`https://`, or `http://` on the host of the server')
const ref = z.strictObject({ type: z.enum(['branch', 'tag']), name: z.string().min(1).max(255) })

const refreshMs = z.number().int().min(1000).nullable()

export const remoteRequest = z.strictObject({
  ...fields,
  refreshMs: refreshMs
    .optional()
    .describe('Milliseconds between looks for what has changed, while it runs; default `null`, none after the first'),
  source: z.strictObject({
    type: z.literal('git'),
    url,
    ref: ref.nullable().default(null).describe('Absent for the branch that the repository names'),
  }),
})

export const remote = component(
  'Remote',
  z.object({
    ...fields,
    source: z.object({ type: z.literal('git'), url, ref: ref.nullable() }),
    refreshMs,
    version: z.string().nullable().describe('Of what was brought last: of Git the id of a commit or tag'),
  }),
  {
    description: 'Files of somewhere else that are put into a sandbox while it is made',
    examples: [
      {
        name: 'app',
        path: '/srv/app',
        source: { type: 'git', url: 'https://git.example.com/app.git', ref: { type: 'tag', name: 'v1' } },
        refreshMs: null,
        version: 'd670460b4b4aece5915caf5c68d12f560a9fe3e4',
      },
    ],
  },
)
