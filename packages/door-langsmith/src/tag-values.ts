import { invalidArgument, type Labels } from '@spawnpoint/core'
import { z } from 'zod'
import { OWN } from './labels.ts'

const MAX_LABEL_CHARS = 1024

/** Ids of what a workspace's resource tags may say. The tags themselves are of LangSmith's settings: any id will do. */
export const tagValueIds = z.array(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'an id')).max(64)

export function tagLabels(ids: readonly string[] | undefined): Labels {
  const text = [...new Set(ids)].join(' ')
  if (text.length > MAX_LABEL_CHARS)
    throw invalidArgument('body.tag_value_ids', `at most ${MAX_LABEL_CHARS} characters in all`)
  return text === '' ? {} : { [OWN.tags]: text }
}

export function tagsOf(labels: Labels): string[] {
  return labels[OWN.tags]?.split(' ') ?? []
}
