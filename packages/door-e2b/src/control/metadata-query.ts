import { invalidArgument, type Labels } from '@spawnpoint/core'

/**
 * The pairs of a list's `metadata` parameter. The clients encode each key and value, join them as a form, which encodes
 * them again, and send that as a query value, which the router has decoded already.
 */
export function metadataOf(query: string): Labels {
  // No pairs are asked for.
  if (query === '') return {}
  const pairs = query.split('&').map((pair) => {
    const parts = pair.split('=')
    if (parts.length !== 2) throw invalidArgument('metadata', 'must be key=value pairs joined by &')
    return parts.map(decodedTwice)
  })
  return Object.fromEntries(pairs)
}

/** A form encodes a space as `+`; what was encoded before that has none. */
function decodedTwice(text: string): string {
  try {
    return decodeURIComponent(decodeURIComponent(text.replaceAll('+', ' ')))
  } catch {
    throw invalidArgument('metadata', 'not properly encoded')
  }
}
