import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { awsSignature, type HttpAnswer, type HttpRequest } from '@spawnpoint/outbound'
import { describe, expect, it } from 'vitest'
import { awsRegistryAccess } from './aws-registry.ts'

const KEYS = { region: 'eu-west-1', accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI' }

function service(status: number, text: string) {
  const asked: HttpRequest[] = []
  const ask = async (request: HttpRequest): Promise<HttpAnswer> => {
    asked.push(request)
    return { status, header: () => undefined, body: Readable.from([Buffer.from(text)]), reach: 'public' }
  }
  return { asked, http: { ask } }
}

const given = (token: string) =>
  JSON.stringify({ authorizationData: [{ authorizationToken: Buffer.from(token).toString('base64') }] })
const { signal } = new AbortController()

describe('keys of AWS', () => {
  it('are shown to its registry service, which hands out a user and a password', async () => {
    const { asked, http } = service(200, given('AWS:pass:word'))
    expect(await awsRegistryAccess(KEYS, http, signal)).toEqual({ username: 'AWS', password: 'pass:word' })
    const [request] = asked
    expect([request?.method, request?.url.href, String(request?.body)]).toEqual([
      'POST',
      'https://api.ecr.eu-west-1.amazonaws.com/',
      '{}',
    ])
    const { authorization, 'x-amz-date': date, ...headers } = request?.headers ?? {}
    expect(headers['x-amz-target']).toMatch(/GetAuthorizationToken$/)
    expect(headers['x-amz-content-sha256']).toBe(createHash('sha256').update('{}').digest('hex'))
    const [, y, mo, d, h, mi, s] = /^(....)(..)(..)T(..)(..)(..)Z$/.exec(date ?? '') ?? []
    const again = await awsSignature(
      { method: 'POST', path: '/', query: {}, headers },
      { region: 'eu-west-1', service: 'ecr' },
      KEYS,
      new Date(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`),
    )
    expect(again.authorization).toBe(authorization)
  })

  it('are asked for where the region is', async () => {
    const { asked, http } = service(200, given('AWS:x'))
    await awsRegistryAccess({ ...KEYS, region: 'cn-north-1' }, http, signal)
    expect(asked[0]?.url.host).toBe('api.ecr.cn-north-1.amazonaws.com.cn')
  })

  it.each([
    [400, '{}', 'forbidden'],
    [403, '{}', 'forbidden'],
    [503, '{}', 'unavailable'],
    [200, 'nonsense', 'unavailable'],
    [200, '{}', 'unavailable'],
    [200, given('nothing'), 'unavailable'],
  ])('that are answered %d %s are %s', async (status, text, code) => {
    await expect(awsRegistryAccess(KEYS, service(status, text).http, signal)).rejects.toMatchObject({ code })
  })

  it('say so where nobody answers', async () => {
    const ask = () => Promise.reject(new Error('ENOTFOUND'))
    await expect(awsRegistryAccess(KEYS, { ask }, signal)).rejects.toMatchObject({ code: 'unavailable' })
  })
})
