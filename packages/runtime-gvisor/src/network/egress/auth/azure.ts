import { createHmac } from 'node:crypto'
import { type Authorized, NotAuthorized, type OutgoingRequest } from './outgoing-request.ts'

/** Of the storage services' protocol, where a request names none; what is signed depends on it */
const VERSION = '2023-11-03'
const SIGNED_HEADERS = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  // `Date`, whose place `x-ms-date` takes
  '',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
]

/** Signs a request to a storage account (Shared Key; the tables' own way for these). Rejects `NotAuthorized` for what cannot be. */
export function signAzure(request: OutgoingRequest, account: string, key: string, now: Date = new Date()): Authorized {
  const { headers, host } = request
  const own = versionAndDate(request, now)
  const all = [...headers.filter(([name]) => !own.some((one) => one.name === name.toLowerCase())), ...pairs(own)]
  const text = host.includes('.table.') ? tableText(request, account, all) : storageText(request, account, all)
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64')
  return {
    set: [...own, { name: 'Authorization', value: `SharedKey ${account}:${signature}` }],
    drop: ['authorization', 'date'],
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

type Pairs = readonly (readonly [name: string, value: string])[]

/** What is signed for blobs, files, queues and data lakes. */
export function storageText({ method, target }: OutgoingRequest, account: string, headers: Pairs): string {
  const given = valuesByName(headers)
  const own = SIGNED_HEADERS.map((name) => given.get(name) ?? '')
  const length = SIGNED_HEADERS.indexOf('content-length')
  if (own[length] === '0') own[length] = ''
  const extended = [...given]
    .filter(([name]) => name.startsWith('x-ms-'))
    .sort(byName)
    .map(([name, value]) => `${name}:${value}`)
  const [path, query] = split(target)
  const parameters = new Map<string, string[]>()
  for (const [name, value] of query) parameters.set(name, [...(parameters.get(name) ?? []), value])
  const resource = [...parameters].sort(byName).map(([name, values]) => `${name}:${values.sort().join(',')}`)
  return [method, ...own, ...extended, `/${account}${path}`, ...resource].join('\n')
}

export function tableText({ method, target }: OutgoingRequest, account: string, headers: Pairs): string {
  const given = valuesByName(headers)
  const [path, query] = split(target)
  const comp = query.find(([name]) => name === 'comp')?.[1]
  const own = ['content-md5', 'content-type', 'x-ms-date'].map((name) => given.get(name) ?? '')
  return [method, ...own, `/${account}${path}${comp === undefined ? '' : `?comp=${comp}`}`].join('\n')
}

/** A header that is there twice is signed as one. The parser takes each byte for a character; what is signed is the text. */
function valuesByName(headers: Pairs): Map<string, string> {
  const values = new Map<string, string>()
  for (const [name, value] of headers) {
    const key = name.toLowerCase()
    const text = Buffer.from(value, 'latin1').toString('utf8').trim()
    const before = values.get(key)
    values.set(key, before === undefined ? text : `${before},${text}`)
  }
  return values
}

function split(target: string): [path: string, query: [string, string][]] {
  const [, path = '/', search = ''] = /^([^?]*)\??(.*)$/s.exec(target) ?? []
  const parts = search.split('&').filter((part) => part !== '')
  return [
    path,
    parts.map((part) => {
      const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(part) ?? []
      return [decoded(name).toLowerCase(), decoded(value)]
    }),
  ]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new NotAuthorized(400, 'the query is not encoded as it should be')
  }
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function pairs(own: readonly { name: string; value: string }[]): Pairs {
  return own.map(({ name, value }) => [name, value] as const)
}
