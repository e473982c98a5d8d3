import { SpawnpointError, type TokensApi } from '@spawnpoint/core'
import { z } from 'zod'

const PURPOSE = 'langsmith-download'

/** One file of one sandbox, and how it is told to browsers. */
const linkSchema = z.object({
  id: z.string(),
  path: z.string(),
  /** Milliseconds since 1970, absent for never */
  until: z.number().optional(),
  type: z.string().optional(),
  disposition: z.string().optional(),
  /** Content-Security-Policy, where it is not the strictest */
  policy: z.string().optional(),
})
export type DownloadLink = z.output<typeof linkSchema>

export function issueDownloadToken(tokens: TokensApi, link: DownloadLink): string {
  const text = Buffer.from(JSON.stringify(link)).toString('base64url')
  return `${text}.${tokens.issue(PURPOSE, text)}`
}

/** Rejects `unauthenticated` for what is no link of ours, or is one no longer. */
export function readDownloadToken(tokens: TokensApi, token: string): DownloadLink {
  const [text = '', proof = ''] = token.split('.', 2)
  if (!tokens.verify(PURPOSE, text, proof)) throw new SpawnpointError('unauthenticated', 'Invalid download link', {})
  const link = linkSchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString()))
  if (link.until !== undefined && link.until <= Date.now())
    throw new SpawnpointError('unauthenticated', 'Download link has expired', {})
  return link
}
