import type { Page, PageRequest, Started } from '@spawnpoint/core'
import type { Call } from './route.ts'

const PAGE_DEFAULT = 50

export function pageRequest(query: { limit?: number | undefined; cursor?: string | undefined }): PageRequest {
  return { limit: query.limit ?? PAGE_DEFAULT, after: query.cursor }
}

export async function pageAnswer<T, J>(page: Page<T>, toJson: (item: T) => J | Promise<J>) {
  return { status: 200 as const, body: { items: await Promise.all(page.items.map(toJson)), nextCursor: page.next } }
}

/** `label=key:value` to pairs; the schema made sure of the colon. */
export function labelsOf(given: string[] | undefined): Record<string, string> | undefined {
  if (given === undefined) return undefined
  return Object.fromEntries(
    given.map((text) => {
      const colon = text.indexOf(':')
      return [text.slice(0, colon), text.slice(colon + 1)]
    }),
  )
}

export function wantsAsync(call: Call<unknown, { wait?: boolean | undefined }>): boolean {
  if (call.query.wait !== undefined) return !call.query.wait
  const prefer = call.request.headers.prefer
  return typeof prefer === 'string' && /(^|[,;\s])respond-async($|[,;\s])/i.test(prefer)
}

export function operationLocation(operationId: string): Record<string, string> {
  return { location: `/v1/operations/${operationId}` }
}

/**
 * The resource at the end of the work, or as it was accepted if there is any and the client does not want to wait. A client that goes away
 * meanwhile changes nothing: the work is the core's.
 */
export async function startedAnswer<T, J, S extends 200 | 201>(
  call: Call<unknown, { wait?: boolean | undefined }>,
  started: Started<T>,
  status: S,
  toJson: (value: T) => J | Promise<J>,
  location?: (value: T) => string,
) {
  const { operationId } = started
  if (wantsAsync(call) && operationId !== null) {
    return { status: 202 as const, body: await toJson(started.value), headers: operationLocation(operationId) }
  }
  const value = await started.done
  const headers = {
    ...(operationId !== null && { 'spawnpoint-operation': operationId }),
    ...(location && { location: location(value) }),
  }
  return { status, body: await toJson(value), headers }
}
