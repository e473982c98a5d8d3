import { invalidArgument } from '../errors.ts'
import type { AzureResource, CredentialScheme, Env } from '../model.ts'
import { HEADER_NAME, HEADER_VALUE, NOT_TO_SET } from './header-checks.ts'

type Type = CredentialScheme['type']
type Of<T extends Type> = Extract<CredentialScheme, { type: T }>

/** One way to give requests their credential. */
interface Kind<S extends CredentialScheme> {
  /** Hosts of a rule that names none; `!` before what is left out */
  hosts(scheme: S): readonly string[]
  /** Names of what is secret, in this order; `null` where the user names them */
  values: readonly string[] | null
  /** What processes are given, so that their tools begin at all: no credential, and it goes nowhere */
  standIns(scheme: S): Env
  /** Rejects `invalid_argument`. */
  check(path: string, scheme: S): void
}

const AWS_HOSTS = [
  '*.amazonaws.com',
  '*.amazonaws.com.cn',
  '*.api.aws',
  // These have names below the others, but speak for themselves, or another language than HTTP.
  ...['rds', 'redshift', 'cache', 'elb', 'compute', 'compute-1', 'docdb', 'mq'].flatMap((service) =>
    ['', '.cn'].map((china) => `!*.${service}.amazonaws.com${china}`),
  ),
]
const AWS_STAND_INS = {
  AWS_ACCESS_KEY_ID: 'AKIASPAWNPOINT000000',
  AWS_SECRET_ACCESS_KEY: 'signed-outside-of-this-sandbox-by-server',
}
const GOOGLE_STAND_INS = { CLOUDSDK_AUTH_ACCESS_TOKEN: 'put-in-outside', GOOGLE_OAUTH_ACCESS_TOKEN: 'put-in-outside' }
const AZURE_SERVICES = ['blob', 'dfs', 'queue', 'table', 'file']
/** As long as a key is */
const AZURE_STAND_IN_KEY = Buffer.from('signed outside of this sandbox by the server'.padEnd(64, '.')).toString(
  'base64',
)

/** Hosts that take a token for this resource. */
export const AZURE_HOSTS: Readonly<Record<AzureResource, readonly string[]>> = {
  storage: AZURE_SERVICES.map((service) => `*.${service}.core.windows.net`),
  vault: ['*.vault.azure.net'],
  management: ['management.azure.com'],
  cognitive_services: ['*.cognitiveservices.azure.com', '*.openai.azure.com'],
}

const MAX_SCOPES = 64
const MAX_TAGS = 50
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/
const GUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i
const ACCOUNT = /^[a-z0-9]{3,24}$/
const ROLE = /^arn:aws(-cn|-us-gov)?:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/
const PROVIDER =
  /^\/\/iam\.googleapis\.com\/projects\/\d{1,20}\/locations\/global\/workloadIdentityPools\/[a-z0-9-]{1,64}\/providers\/[a-z0-9-]{1,64}$/
const SERVICE_ACCOUNT = /^[a-z0-9-]{1,64}@[a-z0-9.-]{1,128}$/
const TAG_KEY = /^(?!aws:)[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/iu
const TAG_VALUE = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,256}$/u
const TTL_MS = { min: 1_000, max: 24 * 3_600_000 }
const MAX_AUDIENCES = 16
const MAX_HEADERS = 64
const MAX_TEMPLATE = 1024
const TOKEN_NAME = /^[^{}\p{Cc}]{1,128}$/u
const AUDIENCE = /^[^\p{Cc}]{1,512}$/u

const storage = <S extends { account: string }>(value: string) => ({
  hosts: ({ account }: S) => AZURE_SERVICES.map((service) => `${account}.${service}.core.windows.net`),
  values: [value],
  standIns: ({ account }: S) => ({ AZURE_STORAGE_ACCOUNT: account, AZURE_STORAGE_KEY: AZURE_STAND_IN_KEY }),
  check: (path: string, { account }: S) => {
    must(ACCOUNT.test(account), `${path}.account`, 'not the name of a storage account')
  },
})

const KINDS: { readonly [T in Type]: Kind<Of<T>> } = {
  aws: {
    hosts: () => AWS_HOSTS,
    values: ['access_key_id', 'secret_access_key'],
    standIns: () => AWS_STAND_INS,
    check: () => {},
  },
  aws_role: {
    hosts: () => AWS_HOSTS,
    values: [],
    standIns: () => AWS_STAND_INS,
    check: (path, { role, sessionTags }) => {
      must(ROLE.test(role), `${path}.role`, 'not the ARN of a role')
      const tags = Object.entries(sessionTags)
      const right = tags.length <= MAX_TAGS && tags.every(([key, value]) => TAG_KEY.test(key) && TAG_VALUE.test(value))
      must(right, `${path}.sessionTags`, `at most ${MAX_TAGS}, as AWS has them`)
    },
  },
  google: {
    hosts: () => ['*.googleapis.com'],
    values: ['service_account'],
    standIns: () => GOOGLE_STAND_INS,
    check: (path, { scopes }) => checkScopes(path, scopes),
  },
  google_identity: {
    hosts: () => ['*.googleapis.com'],
    values: [],
    standIns: () => GOOGLE_STAND_INS,
    check: (path, { provider, serviceAccount, scopes }) => {
      must(PROVIDER.test(provider), `${path}.provider`, 'not the full name of a workload identity pool provider')
      const right = serviceAccount === null || SERVICE_ACCOUNT.test(serviceAccount)
      must(right, `${path}.serviceAccount`, 'not the address of a service account')
      checkScopes(path, scopes)
    },
  },
  azure_key: storage('account_key'),
  azure_sas: storage('sas_token'),
  azure_identity: {
    hosts: ({ resources }) => resources.flatMap((one) => AZURE_HOSTS[one]),
    values: [],
    standIns: () => ({}),
    check: (path, { tenant, client, resources }) => {
      must(GUID.test(tenant), `${path}.tenant`, 'not a GUID')
      must(GUID.test(client), `${path}.client`, 'not a GUID')
      must(resources.length > 0 && new Set(resources).size === resources.length, `${path}.resources`, 'one each')
    },
  },
  identity: {
    hosts: () => [],
    values: [],
    standIns: () => ({}),
    check: (path, { audiences, tokenHeaders }) => {
      const tokens = Object.entries(audiences)
      const right = tokens.every(([name, audience]) => TOKEN_NAME.test(name) && AUDIENCE.test(audience))
      must(right && tokens.length <= MAX_AUDIENCES, `${path}.audiences`, `at most ${MAX_AUDIENCES}, by their names`)
      must(tokenHeaders.length <= MAX_HEADERS, `${path}.tokenHeaders`, `at most ${MAX_HEADERS}`)
      for (const { name, template } of tokenHeaders) {
        const isName = HEADER_NAME.test(name) && !NOT_TO_SET.has(name.toLowerCase())
        must(isName, `${path}.tokenHeaders`, 'not the name of a header that a rule may set')
        const unknown = [...template.matchAll(/\{([^{}]*)\}/g)].find(
          ([, token = '']) => !Object.hasOwn(audiences, token),
        )
        must(unknown === undefined, `${path}.tokenHeaders`, `there is no token ${unknown?.[1]?.slice(0, 128)}`)
        const shape = template.replaceAll(/\{[^{}]*\}/g, 'x')
        const isValue = template.length <= MAX_TEMPLATE && !/[{}]/.test(shape) && HEADER_VALUE.test(shape)
        must(isValue, `${path}.tokenHeaders`, 'not the value of a header')
      }
    },
  },
  placeholders: { hosts: () => [], values: null, standIns: () => ({}), check: () => {} },
  callback: {
    hosts: () => [],
    values: null,
    standIns: () => ({}),
    check: (path, { url, ttlMs, signature }) => {
      checkUrl(`${path}.url`, url)
      const right = Number.isInteger(ttlMs) && ttlMs >= TTL_MS.min && ttlMs <= TTL_MS.max
      must(right, `${path}.ttlMs`, `${TTL_MS.min} to ${TTL_MS.max} milliseconds`)
      must(HEADER_NAME.test(signature.header), `${path}.signature.header`, 'not the name of a header')
      const isVisible = /^[\x21-\x7e]{1,128}$/.test(signature.subject)
      must(isVisible, `${path}.signature.subject`, '1 to 128 visible ASCII characters')
    },
  },
}

/** Of a scheme that is as its type says. */
export function kindOf<S extends CredentialScheme>(scheme: S): Kind<S> {
  // The compiler does not see that the type of the one is the key of the other.
  return KINDS[scheme.type] as unknown as Kind<S>
}

/** Where a rule of this kind applies that names no hosts; `!` before what is left out. */
export function authHosts(scheme: CredentialScheme): readonly string[] {
  return kindOf(scheme).hosts(scheme)
}

export function checkUrl(path: string, text: string): void {
  const url = URL.canParse(text) ? new URL(text) : null
  const right =
    url !== null &&
    ['http:', 'https:'].includes(url.protocol) &&
    url.username === '' &&
    url.password === '' &&
    text.length <= 2048
  must(right, path, 'not an http:// or https:// address without a user')
}

function checkScopes(path: string, scopes: readonly string[]): void {
  const right = scopes.length > 0 && scopes.length <= MAX_SCOPES && scopes.every((scope) => SCOPE.test(scope))
  must(right, `${path}.scopes`, `1 to ${MAX_SCOPES} OAuth scopes`)
}

function must(right: boolean, path: string, reason: string): void {
  if (!right) throw invalidArgument(path, reason)
}
