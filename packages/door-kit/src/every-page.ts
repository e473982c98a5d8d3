import type { Page } from '@spawnpoint/core'

const PAGE_MAX = 500

/** All that a list of the core has. */
export async function everyPage<T>(
  list: (page: { limit: number; after: string | undefined }) => Promise<Page<T>>,
): Promise<T[]> {
  const found: T[] = []
  for (let after: string | undefined; ; ) {
    const page = await list({ limit: PAGE_MAX, after })
    found.push(...page.items)
    if (page.next === null) return found
    after = page.next
  }
}
