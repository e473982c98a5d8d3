export interface ServerSentEvent {
  id: string | null
  event: string
  /** Empty where only an id is told, to begin from if the connection breaks before anything happens */
  data: string
}

/** Events of a `text/event-stream` body. Comments, which serve as heartbeats, are left out. */
export async function* serverSentEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields: { [name: string]: string } = {}
      for (const line of block.split('\n')) {
        const [, name, value] = /^([a-z]+): ?(.*)$/.exec(line) ?? []
        if (name !== undefined && value !== undefined)
          fields[name] = name === 'data' && fields.data ? `${fields.data}\n${value}` : value
      }
      if (fields.data === undefined && fields.id === undefined) continue
      yield { id: fields.id ?? null, event: fields.event ?? 'message', data: fields.data ?? '' }
    }
  }
}
