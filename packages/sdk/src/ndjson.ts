/** The longest line taken before a stream counts as broken. */
const MAX_LINE = 32 * 1024 * 1024

/** Parsed lines of a newline-delimited JSON body. Blank lines are heartbeats. A line cut off at the end is dropped. */
export async function* ndjson(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks(body)) {
    const text = decoder.decode(chunk, { stream: true })
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      const line = rest + text.slice(from, end)
      rest = ''
      from = end + 1
      if (line.trim() !== '') yield JSON.parse(line)
    }
    rest += text.slice(from)
    if (rest.length > MAX_LINE) throw new Error(`A line of more than ${MAX_LINE} characters`)
  }
}

/** Chunks of a body; leaving early cancels it. Not every runtime's `ReadableStream` is iterable itself. */
export async function* chunks(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    // Harmless if the body has failed or ended: there is nothing left to cancel.
    await reader.cancel().catch(() => undefined)
  }
}
