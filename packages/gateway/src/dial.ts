import { setTimeout as sleep } from 'node:timers/promises'
import { type Guest, isCode } from '@spawnpoint/core'
import type { PortDialler } from './port-proxy.ts'

/** A program that was started just now needs a moment until it listens. In milliseconds. */
const PAUSES = [100, 200, 300, 400]

/** Connects to ports of a guest, again for a second if nobody listens there yet, or until the signal. */
export function dialler(guest: Guest, signal: AbortSignal): PortDialler {
  return {
    async connectPort(port) {
      for (const pause of PAUSES) {
        try {
          return await guest.connectPort(port)
        } catch (error) {
          if (!isCode(error, 'port_closed')) throw error
          // The client has left: the next refusal is the last.
          await sleep(pause, undefined, { signal }).catch(() => {
            throw error
          })
        }
      }
      return guest.connectPort(port)
    },
  }
}
