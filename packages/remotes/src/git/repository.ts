import { type GitSource, notFound, SpawnpointError } from '@spawnpoint/core'
import type { HttpAnswer } from '@spawnpoint/outbound'
import type { GitSession } from './git-session.ts'
import { type Packet, packets, readPackets, textOf } from './pkt-line.ts'

const MAX_SAID_CHARS = 200
/** Lines and bytes of an answer that should be short */
const MAX_LINES = 10_000
const CAPABILITY_BYTES = 2 ** 20

/** What of a server's abilities matters here. */
interface Abilities {
  /** Name of the digest that its objects go by */
  format: string
  shallow: boolean
}

export interface Commit {
  id: string
  abilities: Abilities
}

/** Which commit the branch or tag is at now; of an annotated tag the tag's own id. */
export async function findCommit(session: GitSession, { url, ref }: GitSource): Promise<Commit> {
  const abilities = await abilitiesOf(session)
  const wanted = ref === null ? 'HEAD' : `refs/${ref.type === 'branch' ? 'heads' : 'tags'}/${ref.name}`
  const body = packets([
    'command=ls-refs',
    `object-format=${abilities.format}`,
    'delimiter',
    `ref-prefix ${wanted}`,
    'flush',
  ])
  for await (const line of lines(session, await session.command(body))) {
    const [, id, name] = /^([0-9a-f]{40,64}) ([^ ]+)/.exec(line) ?? []
    if (id !== undefined && name === wanted) return { id, abilities }
  }
  const what = ref === null ? 'it has no commit yet' : `no such ${ref.type}: ${ref.name}`
  throw new SpawnpointError('not_found', `${url}: ${what}`, notFound('remote', url).context)
}

async function abilitiesOf(session: GitSession): Promise<Abilities> {
  const said: string[] = []
  for await (const line of lines(session, await session.advertisement())) said.push(line)
  const from = said.indexOf('version 2')
  if (from === -1) throw session.nonsense('it does not speak version 2')
  const ability = (name: string) => said.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1)
  const format = ability('object-format') ?? 'sha1'
  if (format !== 'sha1' && format !== 'sha256') throw session.nonsense('it names objects in a way of its own')
  return { format, shallow: (ability('fetch') ?? '').split(' ').includes('shallow') }
}

/** Text lines of an answer that should be short, sections apart or not. */
async function* lines(session: GitSession, answer: HttpAnswer): AsyncGenerator<string, void, undefined> {
  let count = 0
  let bytes = 0
  for await (const packet of explained(session, answer)) {
    const text = textOf(packet)
    if (text === null) continue
    count += 1
    bytes += text.length
    if (count > MAX_LINES || bytes > CAPABILITY_BYTES) throw session.nonsense('an answer without an end')
    if (text.startsWith('ERR ')) throw refused(session, text)
    yield text
  }
}

/** Only what goes wrong here is the other side's: whoever takes the packets has reasons of its own. */
async function* explained(session: GitSession, { body }: HttpAnswer): AsyncGenerator<Packet, void, undefined> {
  const all = readPackets(body)
  try {
    for (;;) {
      const next = await all.next().catch((error: unknown) => {
        throw session.explained(error)
      })
      if (next.done) return
      yield next.value
    }
  } finally {
    body.destroy()
  }
}

/** The pack with that one commit and what it has, as it comes. Rejects `payload_too_large`. */
export async function* packOf(
  session: GitSession,
  { id, abilities }: Commit,
  maxBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  const body = packets([
    'command=fetch',
    `object-format=${abilities.format}`,
    'delimiter',
    'no-progress',
    'ofs-delta',
    ...(abilities.shallow ? ['deepen 1'] : []),
    `want ${id}`,
    'done',
    'flush',
  ])
  let begun = false
  let bytes = 0
  for await (const packet of explained(session, await session.command(body))) {
    if (!begun) begun = isPackBeginning(session, packet)
    else if (typeof packet !== 'string') {
      if (packet[0] === 3) throw refused(session, packet.toString('utf8', 1))
      if (packet[0] !== 1) continue
      bytes += packet.length - 1
      if (bytes > maxBytes)
        throw new SpawnpointError('payload_too_large', `The repository has more than ${maxBytes} bytes`, {
          limitBytes: maxBytes,
        })
      yield packet.subarray(1)
    }
  }
  if (bytes === 0) throw session.nonsense('it sends no objects')
}

function isPackBeginning(session: GitSession, packet: Packet): boolean {
  const text = textOf(packet)
  if (text?.startsWith('ERR ')) throw refused(session, text)
  return text === 'packfile'
}

function refused(session: GitSession, said: string): Error {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is not to reach a terminal as it is
  return session.nonsense(`it says ${said.slice(0, MAX_SAID_CHARS).replace(/[\u0000-\u001f\u007f]+/g, ' ')}`)
}
