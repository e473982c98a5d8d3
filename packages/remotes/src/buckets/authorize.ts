import { type BucketSource, type OutgoingRule, type OutgoingValue, SpawnpointError } from '@spawnpoint/core'
import { awsSignature } from '@spawnpoint/outbound'

/** SHA-256 of nothing: no request has a body */
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

interface Asked {
  url: URL
  query: Record<string, string>
  headers: Record<string, string>
}

/** What a request is sent with so that it is one of the rule's: headers that it has then, and what its query has besides. */
export async function credentialHeaders(
  { url, query, headers }: Asked,
  fitting: OutgoingRule | null,
  source: BucketSource,
  token: (account: string, scopes: readonly string[]) => Promise<string>,
): Promise<{ headers: Record<string, string>; query: Record<string, string> }> {
  const sent = { ...headers }
  // What belongs to a host that requests are sent to instead is not for this one.
  const rule = fitting?.rewrite === undefined ? fitting : null
  for (const header of rule?.headers ?? []) sent[header.name.toLowerCase()] = opened(header)
  const auth = rule?.auth
  if (auth?.type === 'aws' && source.type === 's3') {
    const [accessKeyId = '', secretAccessKey = ''] = auth.values.map(opened)
    const signed = { ...sent, host: url.host, 'x-amz-content-sha256': EMPTY }
    const parameters = Object.fromEntries(Object.entries(query).map(([name, value]) => [name, [value]]))
    const request = { method: 'GET', path: url.pathname, query: parameters, headers: signed }
    const scope = { region: source.region, service: 's3' }
    return { headers: await awsSignature(request, scope, { accessKeyId, secretAccessKey }), query: {} }
  }
  if (auth?.type === 'google') {
    const [account = ''] = auth.values.map(opened)
    return { headers: { ...sent, authorization: `Bearer ${await token(account, auth.scopes)}` }, query: {} }
  }
  return { headers: sent, query: {} }
}

function opened({ name, value }: OutgoingValue): string {
  if (value !== null) return value
  throw new SpawnpointError('forbidden', `The credential ${name} cannot be read; set it again`, { what: name })
}
