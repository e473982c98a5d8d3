/** How long a command lives without a client, and what is left of it. `null` is for ever. */
export interface Terms {
  /** Running without any client */
  idleMs: number | null
  /** After its end, for who comes back for its output */
  ttlMs: number | null
  killOnDisconnect: boolean
}

const MARK = 'langsmith'

/** Kept as the tag of the process, so that a server that starts knows them too. */
export function tagOf({ idleMs, ttlMs, killOnDisconnect }: Terms): string {
  return [MARK, idleMs ?? '-', ttlMs ?? '-', killOnDisconnect ? 'kill' : 'keep'].join(' ')
}

/** What began in another way has no terms of its own. */
export function termsOf(tag: string | null): Terms {
  const [, idle = '-', ttl = '-', end] = /^langsmith (-|\d+) (-|\d+) (kill|keep)$/.exec(tag ?? '') ?? []
  const ms = (text: string) => (text === '-' ? null : Number(text))
  return { idleMs: ms(idle), ttlMs: ms(ttl), killOnDisconnect: end === 'kill' }
}
