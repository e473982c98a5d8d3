import { createHash } from 'node:crypto'
import { type AwsKeys, awsSignature } from '@spawnpoint/outbound'
import { type Authorized, NotAuthorized, type OutgoingRequest } from './outgoing-request.ts'

/** A body that says nothing of its hash is read to its end for it */
const MAX_HASHED_BYTES = 16 * 2 ** 20
const CONTENT_HASH = 'x-amz-content-sha256'
/** What a signature, or its stand-in, was made of */
const SIGNATURE_HEADERS = ['authorization', 'x-amz-date', 'x-amz-security-token', 'date']
const SIGNATURE_QUERY = /^X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature|Security-Token)$/i
const PART = /^[a-z0-9-]{1,64}$/

/** Signs a request to AWS anew (Signature Version 4). Rejects `NotAuthorized` for what cannot be. */
export async function signAws(request: OutgoingRequest, keys: AwsKeys, now: Date = new Date()): Promise<Authorized> {
  const { method, host, target, headers } = request
  const [path = '/', search = ''] = split(target)
  const query = search.split('&').filter((part) => part !== '')
  const given = (name: string) => headers.find(([one]) => one.toLowerCase() === name)?.[1]
  const scope = scopeOf(given('authorization') ?? '', query, host)
  const rest = query.filter((part) => !SIGNATURE_QUERY.test(decoded(part.replace(/=.*$/s, ''))))
  const hash = await contentHash(request, given(CONTENT_HASH))
  const signed: Record<string, string> = { host }
  for (const [name, value] of headers) {
    const lower = name.toLowerCase()
    if (SIGNATURE_HEADERS.includes(lower) || lower === CONTENT_HASH) continue
    // A header that is there twice is signed as one, as its receiver puts it together.
    if (lower.startsWith('x-amz-') || lower === 'content-type' || lower === 'content-md5')
      signed[lower] = lower in signed ? `${signed[lower]},${asSent(value)}` : asSent(value)
  }
  signed[CONTENT_HASH] = hash
  const out = await awsSignature({ method, path, query: parameters(rest), headers: signed }, scope, keys, now)
  const made = ['authorization', 'x-amz-date', CONTENT_HASH, ...(keys.sessionToken ? ['x-amz-security-token'] : [])]
  const set = made.map((name) => ({ name, value: out[name] ?? '' }))
  return { set, drop: SIGNATURE_HEADERS, target: rest.length === 0 ? path : `${path}?${rest.join('&')}` }
}

/** Links that somebody else has signed are that one's: they go on as they are. */
export function isSignedByOthers(target: string, isOwn: (keyId: string) => boolean): boolean {
  const query = (split(target)[1] ?? '').split('&')
  const credential = query.find((part) => /^X-Amz-Credential=/i.test(part))
  if (credential === undefined) return query.some((part) => /^(AWSAccessKeyId|Signature)=/.test(part))
  const keyId = decoded(credential.replace(/^[^=]*=/, '')).split('/')[0] ?? ''
  return !isOwn(keyId)
}

/** What the guest signed for with its stand-in says it best; else the name of the host. */
function scopeOf(authorization: string, query: string[], host: string): { region: string; service: string } {
  const inQuery = query.find((part) => /^X-Amz-Credential=/i.test(part))?.replace(/^[^=]*=/, '') ?? ''
  const credential = /Credential=([^,\s]+)/.exec(authorization)?.[1] ?? decoded(inQuery)
  const [, , region = '', service = ''] = credential.split('/')
  if (PART.test(region) && PART.test(service)) return { region, service }
  const found = scopeOfHost(host)
  if (found === null) throw new NotAuthorized(502, `the region and service of ${host} are not known; sign the request`)
  return found
}

const GLOBAL: Record<string, string> = {
  iam: 'us-east-1',
  cloudfront: 'us-east-1',
  route53: 'us-east-1',
  sts: 'us-east-1',
}

function scopeOfHost(host: string): { region: string; service: string } | null {
  const labels = host
    .replace(/\.(amazonaws\.com(\.cn)?|api\.aws)$/, '')
    .split('.')
    .filter((one) => one !== 'dualstack')
  const isRegion = (label: string) => /^[a-z]{2,3}(-[a-z]+)+-\d$/.test(label)
  const region = labels.find(isRegion) ?? labels.find((label) => label.startsWith('s3-'))?.slice('s3-'.length)
  const before = labels.filter((label) => label !== region).at(-1)
  if (before === undefined) return null
  const service = before.startsWith('s3') ? 's3' : (SERVICES[before] ?? before)
  const found =
    region !== undefined && isRegion(region) ? region : (GLOBAL[service] ?? (service === 's3' ? 'us-east-1' : ''))
  return PART.test(service) && found !== '' ? { region: found, service } : null
}

/** Where the name in a host is not the one that is signed for */
const SERVICES: Record<string, string> = {
  'bedrock-runtime': 'bedrock',
  'bedrock-agent': 'bedrock',
  'bedrock-agent-runtime': 'bedrock',
  email: 'ses',
  monitoring: 'monitoring',
}

async function contentHash({ body }: OutgoingRequest, given: string | undefined): Promise<string> {
  if (given !== undefined) {
    // Its chunks are signed one after the other with the guest's own key.
    if (/^STREAMING-AWS4/.test(given))
      throw new NotAuthorized(501, `${given.slice(0, 64)} cannot be signed anew; send it with UNSIGNED-PAYLOAD`)
    if (/^(UNSIGNED-PAYLOAD|STREAMING-UNSIGNED-PAYLOAD-TRAILER|[0-9a-f]{64})$/.test(given)) return given
  }
  const { bytes, isWhole } = await body.peek(MAX_HASHED_BYTES)
  if (!isWhole) throw new NotAuthorized(413, `a body of more than ${MAX_HASHED_BYTES} bytes needs ${CONTENT_HASH}`)
  return createHash('sha256').update(bytes).digest('hex')
}

function parameters(parts: readonly string[]): Record<string, string[]> {
  const parsed: Record<string, string[]> = {}
  for (const part of parts) {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(part) ?? []
    const key = decoded(name)
    parsed[key] = [...(parsed[key] ?? []), decoded(value)]
  }
  return parsed
}

/** A `+` stands for itself where it is signed. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new NotAuthorized(400, 'the query is not encoded as it should be')
  }
}

/** The parser takes each byte for a character; what is signed is the text. */
function asSent(value: string): string {
  return Buffer.from(value, 'latin1').toString('utf8')
}

function split(target: string): string[] {
  const [, path = '/', search = ''] = /^([^?]*)\??(.*)$/s.exec(target) ?? []
  return [path, search]
}
