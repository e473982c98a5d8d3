import { randomUUID } from 'node:crypto'
import { AZURE_HOSTS, type AzureResource, namesInclude, type OutgoingAuth } from '@spawnpoint/core'
import type { Asker } from './asker.ts'
import type { AwsKeys } from './aws-signature.ts'
import { jsonWebToken, nowSeconds } from './json-web-token.ts'
import { checkedToken, fieldsOf, type Given, postForm, tokenOf } from './token-service.ts'

type Of<T> = Extract<OutgoingAuth, { type: T }>
type Services = Pick<Asker, 'post'>
export type IdentityAuth = Of<'aws_role' | 'google_identity' | 'azure_identity' | 'identity'>

/** Of a token that is exchanged at once, and of what it is exchanged for */
const TOKEN_SECONDS = 300
const SESSION_SECONDS = 3_600
const CLOUD_SCOPE = 'https://www.googleapis.com/auth/cloud-platform'

/** Who the sandbox is (OpenID Connect): for this audience, in the server's words. */
function identityToken({ signer, identity, subject }: IdentityAuth, audience: string, more: object = {}): string {
  if (signer === null) throw new Error('the server gives out no identities: SPAWNPOINT_ISSUER is not set')
  const now = nowSeconds()
  const claims = {
    iss: signer.issuer,
    sub: `team:${identity.team}${subject === undefined ? '' : `:${subject}`}`,
    aud: audience,
    iat: now,
    nbf: now,
    exp: now + TOKEN_SECONDS,
    jti: randomUUID(),
    ...identity,
    ...more,
  }
  return jsonWebToken('RS256', signer, claims)
}

/** Keys of a role's session (AssumeRoleWithWebIdentity). */
export async function roleKeys(asker: Services, auth: Of<'aws_role'>): Promise<Given<AwsKeys>> {
  const { role, sessionTags, identity } = auth
  const { service, audience } = securityTokenService(role)
  const tags = Object.entries(sessionTags).map(([key, value]) => [key, [value]])
  const claim = { 'https://aws.amazon.com/tags': { principal_tags: Object.fromEntries(tags) } }
  const answer = await postForm(asker, service, {
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: `spawnpoint-${identity.sandbox}`.slice(0, 64),
    DurationSeconds: String(SESSION_SECONDS),
    WebIdentityToken: identityToken(auth, audience, tags.length === 0 ? {} : claim),
  })
  const text = (name: string) =>
    new RegExp(`<${name}>\\s*([\\x21-\\x3b\\x3d-\\x7e]{1,8192})\\s*</${name}>`).exec(answer)?.[1]
  const [accessKeyId, secretAccessKey, sessionToken] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map(text)
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined)
    throw new Error('it answers no keys')
  return { value: { accessKeyId, secretAccessKey, sessionToken }, forMs: untilMs(text('Expiration')) }
}

function securityTokenService(role: string): { service: string; audience: string } {
  if (role.startsWith('arn:aws-cn:'))
    return { service: 'https://sts.cn-north-1.amazonaws.com.cn/', audience: 'sts.amazonaws.com.cn' }
  const host = role.startsWith('arn:aws-us-gov:') ? 'sts.us-gov-west-1.amazonaws.com' : 'sts.amazonaws.com'
  return { service: `https://${host}/`, audience: 'sts.amazonaws.com' }
}

/** A token of the federated identity (RFC 8693), or with it of a service account. */
export async function federatedGoogleToken(asker: Services, auth: Of<'google_identity'>): Promise<Given<string>> {
  const { provider, serviceAccount, scopes } = auth
  const federated = await tokenOf(asker, 'https://sts.googleapis.com/v1/token', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    audience: provider,
    scope: (serviceAccount === null ? scopes : [CLOUD_SCOPE]).join(' '),
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    // Where a provider names no audience of its own it wants this one.
    subject_token: identityToken(auth, `https:${provider}`),
  })
  if (serviceAccount === null) return federated
  const url = `https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${serviceAccount}:generateAccessToken`
  const headers = { authorization: `Bearer ${federated.value}`, 'content-type': 'application/json' }
  const question = JSON.stringify({ scope: scopes, lifetime: `${SESSION_SECONDS}s` })
  const { accessToken, expireTime } = fieldsOf(await asker.post(url, headers, question))
  return { value: checkedToken(accessToken), forMs: untilMs(expireTime) }
}

/** A token of Entra ID for one of its resources, with ours as the application's assertion (RFC 7523). */
export function entraToken(
  asker: Services,
  auth: Of<'azure_identity'>,
  resource: AzureResource,
): Promise<Given<string>> {
  const { tenant, client } = auth
  return tokenOf(asker, `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`, {
    grant_type: 'client_credentials',
    client_id: client,
    scope: `${RESOURCES[resource]}/.default`,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: identityToken(auth, 'api://AzureADTokenExchange'),
  })
}

/** What a token has to be for, where requests go to this host. */
export function azureResourceOf({ resources }: Of<'azure_identity'>, host: string): AzureResource | undefined {
  return resources.find((resource) => namesInclude(AZURE_HOSTS[resource], host))
}

const RESOURCES: Readonly<Record<AzureResource, string>> = {
  storage: 'https://storage.azure.com',
  vault: 'https://vault.azure.net',
  management: 'https://management.azure.com',
  cognitive_services: 'https://cognitiveservices.azure.com',
}

/** Milliseconds until a time that a service names; what names none is good for an hour. */
function untilMs(time: unknown): number {
  const at = typeof time === 'string' ? Date.parse(time) : Number.NaN
  return Number.isNaN(at) ? SESSION_SECONDS * 1000 : at - Date.now()
}

/** The server's own token for this audience, whose subject is a SPIFFE ID (JWT-SVID). */
export async function ownToken(auth: Of<'identity'>, audience: string): Promise<Given<string>> {
  const { signer, identity, subject } = auth
  const domain = signer === null ? '' : new URL(signer.issuer).hostname
  const sub = `spiffe://${domain}/team/${identity.team}${subject === undefined ? '' : `/${subject}`}`
  return { value: identityToken(auth, audience, { sub }), forMs: TOKEN_SECONDS * 1000 }
}
