import { createHash } from 'node:crypto'

const FITS = /^[A-Za-z0-9_-]{1,128}$/

/** Clients call their commands what they like; processes have ids of fewer characters. */
export function processIdOf(commandId: string): string {
  return FITS.test(commandId) ? commandId : `c-${createHash('sha256').update(commandId).digest('hex')}`
}
