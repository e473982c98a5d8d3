import { type Answer, type Call, STREAMED } from '@spawnpoint/door-kit'

/** Clients give up when no answer has begun after 30 s, however long its end may take. */
const BEGIN_MS = 20_000
const SPACE_MS = 10_000

/**
 * Answers with what `work` resolves to. Where that takes long the answer begins without it, with spaces, which JSON may begin
 * with; what fails after that can only break the connection.
 */
export async function lateAnswer(call: Call, work: Promise<unknown>): Promise<Answer | typeof STREAMED> {
  const late = Symbol('late')
  const timer = Promise.withResolvers<typeof late>()
  const handle = setTimeout(() => timer.resolve(late), BEGIN_MS)
  try {
    const first = await Promise.race([work, timer.promise])
    if (first !== late) return { status: 200, body: first }
  } finally {
    clearTimeout(handle)
  }
  const out = call.reply.raw
  call.reply.hijack()
  // Harmless: writing to a client that has gone.
  out.on('error', () => {})
  out.writeHead(200, { 'content-type': 'application/json; charset=utf-8' })
  out.write(' ')
  const spaces = setInterval(() => out.write(' '), SPACE_MS)
  try {
    out.end(JSON.stringify(await work))
  } catch {
    // The status is out; a broken connection is the only way left to say that it failed.
    out.destroy()
  } finally {
    clearInterval(spaces)
  }
  return STREAMED
}
