/** The longest line taken before a stream counts as broken. */
const MAX_LINE = 32 * 1024 * 1024

/**
 * Parsed lines of a newline-delimited JSON body, those together that came together. Blank lines are heartbeats. A line cut
 * off at the end is dropped.
 */
export async function* ndjson(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown[]> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const text = decoder.decode(chunk, { stream: true })
    const lines: unknown[] = []
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      const line = rest + text.slice(from, end)
      rest = ''
      from = end + 1
      if (line.trim() === '') continue
      try {
        lines.push(JSON.parse(line))
      } catch (thrown) {
        if (lines.length > 0) yield lines
        throw thrown
      }
    }
    // Also none: that something came at all is a sign of life.
    yield lines
    rest += text.slice(from)
    if (rest.length > MAX_LINE) throw new Error(`A line of more than ${MAX_LINE} characters`)
  }
}
