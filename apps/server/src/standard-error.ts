import { type DestinationStream, pino } from 'pino'

/** Bytes of lines that wait to be written */
const WAITING_BYTES = 2 ** 20

/** The log on standard error. What cannot be written there, as on a full disk, waits for the next line, or is lost where too much does. */
export function standardError(): DestinationStream {
  const to = pino.destination({ fd: 2, sync: true, maxLength: WAITING_BYTES })
  // Harmless, see above: without anybody who listens such a line would end the server.
  to.on('error', () => {})
  return to
}
