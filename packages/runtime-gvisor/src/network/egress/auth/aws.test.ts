import { createHash } from 'node:crypto'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import aws4 from 'aws4'
import { describe, expect, it } from 'vitest'
import { isSignedByOthers, signAws } from './aws.ts'
import { type OutgoingRequest, RequestBody } from './outgoing-request.ts'

/** The pair of Amazon's own examples */
const KEYS = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }
const NOW = new Date('2013-05-24T00:00:00Z')
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

function bodyOf(text: string, guest = {}): RequestBody {
  const message = new IncomingMessage(new Socket())
  message.push(Buffer.from(text))
  message.push(null)
  return new RequestBody(message, text !== '', guest)
}

function asked(change: Partial<OutgoingRequest> & { text?: string }): OutgoingRequest {
  const { text = '', ...rest } = change
  const base = { method: 'GET', host: 'examplebucket.s3.amazonaws.com', port: 443 as const, target: '/', headers: [] }
  return { ...base, body: bodyOf(text), ...rest }
}

async function signatureOf(request: OutgoingRequest): Promise<string> {
  const { set } = await signAws(request, KEYS, NOW)
  return signatureIn(set.find(({ name }) => name === 'authorization')?.value)
}

function signatureIn(authorization: string | undefined): string {
  return /Signature=([0-9a-f]{64})$/.exec(authorization ?? '')?.[1] ?? 'none'
}

describe('a signature', () => {
  it.each([
    ['/?lifecycle', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
    ['/?max-keys=2&prefix=J', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
  ])('of %s is the one that Amazon documents', async (target, signature) => {
    expect(await signatureOf(asked({ target, headers: [['x-amz-content-sha256', EMPTY]] }))).toBe(signature)
  })

  it.each([
    ['GET', 's3.eu-west-1.amazonaws.com', '/bucket/a%20b/c%2Bd?list-type=2&prefix=a%2Fb', '', 's3', 'eu-west-1'],
    ['PUT', 'bucket.s3.us-west-2.amazonaws.com', '/k%C3%A4se', 'body', 's3', 'us-west-2'],
    ['POST', 'dynamodb.us-east-1.amazonaws.com', '/', '{"TableName":"t"}', 'dynamodb', 'us-east-1'],
    ['POST', 'sts.amazonaws.com', '/', 'Action=GetCallerIdentity&Version=2011-06-15', 'sts', 'us-east-1'],
    ['POST', 'bedrock-runtime.us-east-1.amazonaws.com', '/model/a%3A0/invoke', '{}', 'bedrock', 'us-east-1'],
    ['GET', 'lambda.eu-central-1.amazonaws.com', '/2015-03-31/functions/?MaxItems=1', '', 'lambda', 'eu-central-1'],
  ])('of %s %s%s is the one that another library makes', async (method, host, path, text, service, region) => {
    const hash = createHash('sha256').update(text).digest('hex')
    const own = { 'content-type': 'application/json', 'x-amz-meta-a': 'b' }
    const headers = { Host: host, 'X-Amz-Date': '20130524T000000Z', 'X-Amz-Content-Sha256': hash, ...own }
    const other = aws4.sign(
      { method, host, path, body: text, service, region, headers, extraHeadersToIgnore: { 'content-length': true } },
      KEYS,
    )
    const request = asked({ method, host, target: path, text, headers: Object.entries(own) })
    const { set } = await signAws(request, KEYS, NOW)
    const { authorization, 'x-amz-content-sha256': told } = Object.fromEntries(set.map((one) => [one.name, one.value]))
    expect(told).toBe(hash)
    expect(authorization).toContain(`/20130524/${region}/${service}/aws4_request`)
    expect(signatureIn(authorization)).toBe(signatureIn(other.headers.Authorization))
  })

  it('is for the region and the service that the guest signed for, and nothing of what it signed with', async () => {
    const headers: [string, string][] = [
      [
        'Authorization',
        'AWS4-HMAC-SHA256 Credential=AKIASPAWNPOINT000000/20130524/eu-north-1/execute-api/aws4_request, SignedHeaders=host, Signature=0',
      ],
      ['X-Amz-Date', '20200101T000000Z'],
      ['X-Amz-Security-Token', 'token'],
    ]
    const { set, drop } = await signAws(asked({ host: 'x.amazonaws.com', headers }), KEYS, NOW)
    const authorization = set.find(({ name }) => name === 'authorization')?.value
    expect(authorization).toContain(`Credential=${KEYS.accessKeyId}/20130524/eu-north-1/execute-api/aws4_request`)
    expect(authorization).not.toContain('security-token')
    expect(drop).toEqual(expect.arrayContaining(['authorization', 'x-amz-date', 'x-amz-security-token']))
  })

  it('is of text as it is sent', async () => {
    const { set } = await signAws(
      asked({ headers: [['x-amz-meta-a', Buffer.from('k\u00e4se').toString('latin1')]] }),
      KEYS,
      NOW,
    )
    const headers = {
      Host: 'examplebucket.s3.amazonaws.com',
      'X-Amz-Date': '20130524T000000Z',
      'X-Amz-Content-Sha256': EMPTY,
    }
    const base = { method: 'GET', host: headers.Host, path: '/', service: 's3', region: 'us-east-1' }
    const other = aws4.sign({ ...base, headers: { ...headers, 'x-amz-meta-a': 'k\u00e4se' } }, KEYS)
    expect(signatureIn(set[0]?.value)).toBe(signatureIn(other.headers.Authorization))
  })

  it('takes the place of one in a link, and leaves links of others', async () => {
    const link = (id: string) =>
      `/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${id}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&x-id=1&X-Amz-Signature=0`
    const { target } = await signAws(asked({ target: link('AKIASPAWNPOINT000000') }), KEYS, NOW)
    expect(target).toBe('/a?x-id=1')
    const isOwn = (id: string) => id === KEYS.accessKeyId
    expect([isSignedByOthers(link('AKIAOTHER'), isOwn), isSignedByOthers(link(KEYS.accessKeyId), isOwn)]).toEqual([
      true,
      false,
    ])
    expect(isSignedByOthers('/a?b=c', isOwn)).toBe(false)
  })

  it.each([
    [
      'chunks that the guest has signed',
      { headers: [['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD']] },
      501,
    ],
    ['a service that nobody names', { host: 'x.amazonaws.com' }, 502],
    ['a query that is not encoded', { target: '/?a=%zz' }, 400],
    ['a body that is too large to hash', { method: 'PUT', text: 'x'.repeat(2 ** 24 + 1) }, 413],
  ] satisfies [string, Partial<OutgoingRequest> & { text?: string }, number][])(
    'is refused for %s',
    async (_what, change, status) => {
      await expect(signAws(asked(change), KEYS, NOW)).rejects.toMatchObject({ status })
    },
  )

  it.each(['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'])(
    'leaves a body that is %s alone',
    async (hash) => {
      const request = asked({ method: 'PUT', text: 'body', headers: [['X-Amz-Content-Sha256', hash]] })
      const { set } = await signAws(request, KEYS, NOW)
      expect(set).toContainEqual({ name: 'x-amz-content-sha256', value: hash })
      expect(request.body.whole).toBeNull()
    },
  )

  it('waits for so many bodies of one guest, and takes those of others', async () => {
    const guest = {}
    const held = Array.from({ length: 5 }, () => bodyOf('text', guest))
    const looked = await Promise.allSettled(held.map((body) => body.peek(16 * 2 ** 20)))
    expect(looked.map(({ status }) => status)).toEqual([...Array(4).fill('fulfilled'), 'rejected'])
    const other = bodyOf('text')
    expect((await other.peek(16 * 2 ** 20)).isWhole).toBe(true)
    for (const body of [...held, other]) body[Symbol.dispose]()
    const [again, last] = [bodyOf('text', guest), bodyOf('text', guest)]
    expect(await Promise.all([again, last].map((body) => body.peek(32 * 2 ** 20)))).toHaveLength(2)
    for (const body of [again, last]) body[Symbol.dispose]()
  })
})
