import { BadQuery, type HeaderPairs, sharedKey, storageText, tableText } from '@spawnpoint/outbound'
import { type Authorized, NotAuthorized, type OutgoingRequest } from './outgoing-request.ts'

/** Of the storage services' protocol, where a request names none; what is signed depends on it */
const VERSION = '2023-11-03'

/** Signs a request to a storage account (Shared Key; the tables' own way for these). Rejects `NotAuthorized` for what cannot be. */
export function signAzure(request: OutgoingRequest, account: string, key: string, now: Date = new Date()): Authorized {
  const { headers, host } = request
  const own = versionAndDate(request, now)
  const all = [...headers.filter(([name]) => !own.some((one) => one.name === name.toLowerCase())), ...pairs(own)]
  try {
    const text = (host.includes('.table.') ? tableText : storageText)(request, account, all)
    return {
      set: [...own, { name: 'Authorization', value: sharedKey(account, key, text) }],
      drop: ['authorization', 'date'],
    }
  } catch (error) {
    throw error instanceof BadQuery ? new NotAuthorized(400, error.message) : error
  }
}

/** Puts a shared access signature into the query. */
export function withSas({ target }: OutgoingRequest, sas: string): Authorized {
  const token = sas.replace(/^[?&]+/, '')
  return {
    set: [],
    drop: ['authorization'],
    target: `${target}${target.includes('?') ? (/[?&]$/.test(target) ? '' : '&') : '?'}${token}`,
  }
}

/** A token goes with a version and a date that the guest need not have given. */
export function withAzureToken(request: OutgoingRequest, token: string): Authorized {
  const own = request.host.endsWith('.core.windows.net') ? versionAndDate(request, new Date()) : []
  return { set: [...own, { name: 'Authorization', value: `Bearer ${token}` }] }
}

/** Links that somebody else has signed are that one's: they go on as they are. */
export function hasSas(target: string): boolean {
  return /[?&]sig=/.test(target)
}

function versionAndDate({ headers }: OutgoingRequest, now: Date): { name: string; value: string }[] {
  const version = headers.find(([name]) => name.toLowerCase() === 'x-ms-version')?.[1] ?? VERSION
  return [
    { name: 'x-ms-date', value: now.toUTCString() },
    { name: 'x-ms-version', value: version },
  ]
}

function pairs(own: readonly { name: string; value: string }[]): HeaderPairs {
  return own.map(({ name, value }) => [name, value] as const)
}
