import { createHmac } from 'node:crypto'

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

/** A query that says something else at the other end than here. */
export class BadQuery extends Error {}

export type HeaderPairs = readonly (readonly [name: string, value: string])[]

/** What is signed for blobs, files, queues and data lakes. Throws `BadQuery`. */
export function storageText(
  { method, target }: { method: string; target: string },
  account: string,
  headers: HeaderPairs,
): string {
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

/** What is signed for tables. Throws `BadQuery`. */
export function tableText(
  { method, target }: { method: string; target: string },
  account: string,
  headers: HeaderPairs,
): string {
  const given = valuesByName(headers)
  const [path, query] = split(target)
  const comp = query.find(([name]) => name === 'comp')?.[1]
  const own = ['content-md5', 'content-type', 'x-ms-date'].map((name) => given.get(name) ?? '')
  return [method, ...own, `/${account}${path}${comp === undefined ? '' : `?comp=${comp}`}`].join('\n')
}

/** `Authorization` of a request whose text is this, by the account's key in base64. */
export function sharedKey(account: string, key: string, text: string): string {
  return `SharedKey ${account}:${createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64')}`
}

/** A header that is there twice is signed as one. The parser takes each byte for a character; what is signed is the text. */
function valuesByName(headers: HeaderPairs): Map<string, string> {
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
    throw new BadQuery('the query is not encoded as it should be')
  }
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}
