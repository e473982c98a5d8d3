type Pair = readonly [name: string, value: string]

/** Of one connection alone (RFC 9110, 7.6.1); what the body is framed by is set anew. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export function headerPairs(raw: readonly string[]): Pair[] {
  return raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1] ?? ''] as const] : []))
}

/**
 * Headers to be sent on, as a flat list: without those of the connection, and with `set` in place of what the sender gave under
 * those names, however it spells them: some servers take `_` for `-`.
 */
export function forwardedHeaders(
  pairs: readonly Pair[],
  set: readonly { name: string; value: string }[] = [],
): string[] {
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((one) => one.trim().toLowerCase()))
  const dropped = new Set([...HOP_BY_HOP, ...named])
  const replaced = new Set(set.map(({ name }) => folded(name)))
  return [
    ...pairs.filter(([name]) => !dropped.has(name.toLowerCase()) && !replaced.has(folded(name))).flat(),
    ...set.flatMap(({ name, value }) => [name, value]),
  ]
}

/** Schemes that stay where a credential behind them is made unreadable */
const SCHEME = /^(AWS4-HMAC-SHA256|Basic|Bearer|Digest|DPoP|Negotiate|SharedKey|Token) /i
const CREDENTIAL =
  /(^|-)(authorization|cookie2?|token|secret|password|credentials?|(api|access|auth|functions|subscription)-?key|api-?token)(-|$)/

/** Without what the sender may have given to be known by: `Authorization`, `Cookie` and whatever is named like them. */
export function withoutCredentials(pairs: readonly Pair[], how: 'strip' | 'redact' | 'keep'): Pair[] {
  if (how === 'keep') return [...pairs]
  return pairs.flatMap((pair): Pair[] => {
    const [name, value] = pair
    if (!CREDENTIAL.test(folded(name))) return [pair]
    return how === 'strip' ? [] : [[name, `${SCHEME.exec(value)?.[0] ?? ''}redacted`]]
  })
}

function folded(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}
