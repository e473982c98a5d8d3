import type { Channel, Piece } from './channel.ts'
import { ProtocolViolation } from './frames.ts'
import { cancelled, type Session } from './session.ts'

/** Checks a value of the guest; a violation ends the session. */
export type Checked = <T>(value: unknown, check: (value: unknown) => T) => T

export function checkedBy(session: Session): Checked {
  return (value, check) => {
    try {
      return check(value)
    } catch (error) {
      if (error instanceof ProtocolViolation) throw session.violated(error)
      throw error
    }
  }
}

export interface Pieces<T> extends AsyncIterableIterator<T>, AsyncDisposable {
  /** Takes what is there already. Throws where a piece of it is a violation. */
  arrived(): T[]
}

/**
 * The stream of a channel as an async iterable, for one reader. Leaving the loop early lets go of the channel, also
 * when it was never entered (`return`).
 */
export function pieces<T>(
  channel: Channel,
  checked: Checked,
  read: (piece: Piece) => T,
  signal?: AbortSignal,
): Pieces<T> {
  const abort = () => channel.cancel(cancelled('stream'))
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort()
  let turn: Promise<unknown> = Promise.resolve()
  let done = false

  const finish = () => {
    done = true
    signal?.removeEventListener('abort', abort)
  }
  const step = async (): Promise<IteratorResult<T>> => {
    if (done) return { done: true, value: undefined }
    try {
      const piece = await channel.read()
      if (piece === null) {
        finish()
        return { done: true, value: undefined }
      }
      return { done: false, value: checked(piece, () => read(piece)) }
    } catch (error) {
      finish()
      throw error
    }
  }
  const iterator = {
    next(): Promise<IteratorResult<T>> {
      const result = turn.then(step, step)
      turn = result.catch(() => {}) // the caller of this `next` has the error
      return result
    },
    async return(): Promise<IteratorResult<T>> {
      if (!done) {
        finish()
        channel.cancel()
      }
      return { done: true, value: undefined }
    },
    arrived(): T[] {
      const all: T[] = []
      try {
        for (let piece = done ? undefined : channel.readNow(); piece !== undefined; piece = channel.readNow()) {
          const one = piece
          all.push(checked(one, () => read(one)))
        }
      } catch (error) {
        finish()
        throw error
      }
      return all
    },
    [Symbol.asyncIterator]() {
      return iterator
    },
    async [Symbol.asyncDispose]() {
      await iterator.return()
    },
  }
  return iterator
}
