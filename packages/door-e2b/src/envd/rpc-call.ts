import { createContextKey, type HandlerContext } from '@connectrpc/connect'
import type { AnswerRoom, Guest, Sandbox } from '@spawnpoint/core'

/** What the calls of a request share. */
export interface RpcCall {
  /** User that the request names; `undefined` for the default one */
  user: string | undefined
  guest(): Promise<{ sandbox: Sandbox; guest: Guest }>
  /** For what is collected, until it has been told */
  room: AnswerRoom
  templateId(): Promise<string>
  /** Seconds of silence after which a stream says that it lives */
  keepaliveSeconds: number
  /** Whether the sandbox is being ended, or has been */
  ending(): Promise<boolean>
  /** Breaks an answer that has begun */
  breakOff(): void
}

export const CALL = createContextKey<RpcCall | null>(null)

export function callOf(context: HandlerContext): RpcCall {
  const call = context.values.get(CALL)
  if (call === null) throw new Error('A call was made without its request')
  return call
}
