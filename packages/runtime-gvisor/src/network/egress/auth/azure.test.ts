import { createHmac } from 'node:crypto'
import { storageText, tableText } from '@spawnpoint/outbound'
import { describe, expect, it } from 'vitest'
import { hasSas, signAzure, withAzureToken, withSas } from './azure.ts'
import type { OutgoingRequest } from './outgoing-request.ts'

const KEY = Buffer.from('a key of a storage account').toString('base64')
const NOW = new Date('2015-06-26T23:39:12Z')
const body = { peek: async () => ({ bytes: Buffer.alloc(0), isWhole: true }) } as unknown as OutgoingRequest['body']
const request = (change: Partial<OutgoingRequest> = {}): OutgoingRequest => ({
  method: 'GET',
  host: 'myaccount.blob.core.windows.net',
  port: 443,
  target: '/mycontainer?restype=container&comp=metadata&timeout=20',
  headers: [['x-ms-version', '2015-02-21']],
  body,
  ...change,
})
const setBy = (name: string, { set }: { set: { name: string; value: string }[] }) =>
  set.find((one) => one.name.toLowerCase() === name)?.value

describe('what is signed for a storage account', () => {
  const dated = (headers: [string, string][]) =>
    [...headers, ['x-ms-date', NOW.toUTCString()]] as const as [string, string][]

  it('is what Azure documents', () => {
    expect(storageText(request(), 'myaccount', dated([['x-ms-version', '2015-02-21']]))).toBe(
      'GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20',
    )
  })

  it('has the standard headers in their places, an empty length for nothing, and no date', () => {
    const headers: [string, string][] = [
      ['Content-Length', '11'],
      ['Content-Type', 'text/plain'],
      ['Range', 'bytes=0-9'],
      ['If-Match', '"1"'],
      ['Date', 'Thu, 01 Jan 1970 00:00:00 GMT'],
      ['X-Ms-Meta-B', ' two '],
      ['X-Ms-Meta-A', 'one'],
      ['x-ms-meta-a', 'again'],
      ['Other', 'unsigned'],
    ]
    const lines = storageText(request({ method: 'PUT', target: '/c/a%20b' }), 'a', headers).split('\n')
    expect(lines).toEqual(
      ['PUT', '', '', '11', '', 'text/plain', '', '', '"1"', '', '', 'bytes=0-9'].concat([
        'x-ms-meta-a:one,again',
        'x-ms-meta-b:two',
        '/a/c/a%20b',
      ]),
    )
    expect(storageText(request(), 'a', [['content-length', '0']]).split('\n')[3]).toBe('')
  })

  it('has the query decoded, by name, with the values of one name in order', () => {
    const target = '/?Prefix=a%2Fb&include=snapshots&include=metadata&comp=list&empty='
    expect(storageText(request({ target }), 'a', []).split('\n').slice(12)).toEqual([
      '/a/',
      'comp:list',
      'empty:',
      'include:metadata,snapshots',
      'prefix:a/b',
    ])
    expect(() => storageText(request({ target: '/?a=%zz' }), 'a', [])).toThrow('not encoded')
  })

  it('is less for tables', () => {
    const headers = dated([['Content-Type', 'application/json']])
    const target = "/People(PartitionKey='a')?comp=acl&timeout=5"
    expect(tableText(request({ method: 'PUT', target }), 'a', headers)).toBe(
      "PUT\n\napplication/json\nFri, 26 Jun 2015 23:39:12 GMT\n/a/People(PartitionKey='a')?comp=acl",
    )
  })
})

describe('a request to a storage account', () => {
  it('is signed with the key, for now, in place of what the guest made of its stand-in', () => {
    const given: [string, string][] = [
      ['x-ms-version', '2021-08-06'],
      ['x-ms-date', 'long ago'],
      ['Authorization', 'SharedKey myaccount:mine'],
    ]
    for (const host of ['myaccount.blob.core.windows.net', 'myaccount.table.core.windows.net']) {
      const signed = signAzure(request({ host, headers: given }), 'myaccount', KEY, NOW)
      const own: [string, string][] = [
        ['x-ms-date', NOW.toUTCString()],
        ['x-ms-version', '2021-08-06'],
      ]
      const text = (host.includes('table') ? tableText : storageText)(request(), 'myaccount', own)
      const signature = createHmac('sha256', 'a key of a storage account').update(text).digest('base64')
      expect(setBy('authorization', signed)).toBe(`SharedKey myaccount:${signature}`)
      expect(setBy('x-ms-date', signed)).toBe('Fri, 26 Jun 2015 23:39:12 GMT')
      expect(signed.drop).toEqual(['authorization', 'date'])
    }
    expect(setBy('x-ms-version', signAzure(request({ headers: [] }), 'a', KEY))).toMatch(/^20\d\d-/)
  })

  it('has the shared access signature behind its own query, unless it has one', () => {
    const target = (one: string) => withSas(request({ target: one }), '?sv=1&sig=x').target
    expect([target('/a'), target('/a?b=c'), target('/a?')]).toEqual([
      '/a?sv=1&sig=x',
      '/a?b=c&sv=1&sig=x',
      '/a?sv=1&sig=x',
    ])
    expect(withSas(request(), 'sig=x').drop).toEqual(['authorization'])
    expect([hasSas('/a?sv=1&sig=y'), hasSas('/a?sig=y'), hasSas('/a?design=y'), hasSas('/sig=y')]).toEqual([
      true,
      true,
      false,
      false,
    ])
  })

  it('has with a token what that is of no use without', () => {
    const names = (host: string) => withAzureToken(request({ host, headers: [] }), 't').set.map(({ name }) => name)
    expect(names('a.blob.core.windows.net')).toEqual(['x-ms-date', 'x-ms-version', 'Authorization'])
    expect(names('a.vault.azure.net')).toEqual(['Authorization'])
  })
})
