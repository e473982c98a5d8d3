import { sleep } from './deadline.ts'
import { ConnectionError, errorFromServer, SpawnpointError } from './errors.ts'
import { type ServerSentEvent, serverSentEvents } from './sse.ts'
import { isPassing, pauseBefore, type Request, type Transport } from './transport.ts'

/**
 * Server-sent events, reconnected with `Last-Event-ID` when the connection breaks. Ends when the server ends the stream and
 * `isOver` says that this was its end.
 */
export async function* followEvents(
  transport: Transport,
  request: Omit<Request, 'method'>,
  isOver: () => boolean,
  onConnection: (open: boolean) => void = () => {},
): AsyncGenerator<ServerSentEvent> {
  const { retry, url } = transport.options
  let lastId: string | null = null
  let failures = 0
  let brokenSince = Number.POSITIVE_INFINITY
  for (;;) {
    let failure: SpawnpointError | null = null
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' }
      if (lastId !== null) headers['last-event-id'] = lastId
      const { answer, close } = await transport.stream({ ...request, method: 'GET', headers })
      onConnection(true)
      try {
        for await (const event of serverSentEvents(answer.chunks())) {
          if (event.event === 'error') throw problemError(event.data)
          failures = 0
          brokenSince = Number.POSITIVE_INFINITY
          lastId = event.id ?? lastId
          if (event.data !== '') yield event
        }
      } finally {
        close()
        onConnection(false)
      }
      request.signal?.throwIfAborted()
      if (isOver()) return
    } catch (thrown) {
      request.signal?.throwIfAborted()
      if (thrown instanceof SpawnpointError && thrown.status !== 0 && !isPassing(thrown)) throw thrown
      if (thrown instanceof SpawnpointError) failure = thrown
      else failure = broken(url, failures, thrown)
    }
    failures += 1
    brokenSince = Math.min(brokenSince, performance.now())
    const pauseMs = pauseBefore(failure, failures, retry)
    if (performance.now() + pauseMs - brokenSince > retry.reconnectMs) throw failure ?? broken(url, failures, undefined)
    await sleep(pauseMs, request.signal)
  }
}

function broken(url: string, attempts: number, cause: unknown): ConnectionError {
  return new ConnectionError('connection_failed', 'The stream of events broke', { url, attempts }, { cause })
}

/** The problem that ended a stream. Status 0: what ended the stream may have passed, so the next connection is asked. */
export function problemError(data: string): SpawnpointError {
  const problem = JSON.parse(data) as { code: string; detail: string; context?: unknown }
  return errorFromServer(problem.code, problem.detail, problem.context)
}
