/** What a `Range` header asks for: from `offset` on, or the last `suffix` bytes. */
export type ByteRange = { offset: number; length: number | null } | { suffix: number }

/** One range of bytes. `null` for none, and for what may be ignored: other units, several ranges, nonsense (RFC 9110, 14.2). */
export function parseRange(header: string | undefined): ByteRange | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '')
  if (match === null) return null
  const [first, last] = [match[1] ?? '', match[2] ?? '']
  if (first === '') return last === '' ? null : { suffix: Number(last) }
  if (last === '') return { offset: Number(first), length: null }
  if (Number(last) < Number(first)) return null
  return { offset: Number(first), length: Number(last) - Number(first) + 1 }
}
