import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import {
  awsAuth,
  gcpAuth,
  opaqueSecret,
  proxyConfig,
  type Sandbox,
  SandboxClient,
  workspaceSecret,
} from 'langsmith/sandbox'
import { OutsideHosts } from '../../../e2e/outside-hosts.ts'
import { VendorWorld } from '../../vendor-world.ts'

export const SECRET = `sk-${crypto.randomUUID()}`
export const KEY_ID = 'AKIAIOSFODNN7EXAMPLE'
export const AWS_SECRET = `aws${crypto.randomUUID()}`

const NAMES = [
  ...['api.test', 'v1.api.test', 'other.test', 'gateway.test', 'asked.test'],
  ...['s3.us-east-1.amazonaws.com', 'storage.googleapis.com'],
  ...['acct.blob.core.windows.net', 'acct2.queue.core.windows.net', 'keys.vault.azure.net'],
]
/** Token services: what they give out is the token that they were shown, so that hosts show it to a test. */
const TOKEN_SERVICES = {
  'sts.amazonaws.com': `(body) => '<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>' + new URLSearchParams(body).get('WebIdentityToken') + '</SessionToken>'`,
  'sts.googleapis.com': `(body) => JSON.stringify({ access_token: new URLSearchParams(body).get('subject_token') })`,
  'login.microsoftonline.com': `(body) => JSON.stringify({ access_token: new URLSearchParams(body).get('client_assertion') })`,
}
export const ISSUER = 'https://spawnpoint.example.com'

/** What your application runs beside the sandboxes: it gives out tokens, and answers the proxy's questions. */
class Service {
  readonly asked: { headers: IncomingHttpHeaders; body: string }[] = []
  answer = '{"headers":{"Authorization":"Bearer minted"}}'
  url = ''
  readonly #server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    this.asked.push({ headers: request.headers, body })
    response.end(request.url === '/token' ? '{"access_token":"ya29.real","expires_in":3600}' : this.answer)
  })

  async open(): Promise<void> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
    const address = this.#server.address()
    this.url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  }

  close(): void {
    this.#server.close()
  }
}

/** What all tests of this folder use; there from the first on. */
export let world: AuthProxyWorld

export async function openWorld(): Promise<void> {
  world = await AuthProxyWorld.open()
}

/** A server, hosts outside, and two boxes: one whose rules are of headers, and one that has those of other kinds. */
class AuthProxyWorld implements AsyncDisposable {
  readonly outside: OutsideHosts
  readonly service: Service
  readonly vendor: VendorWorld
  readonly client: SandboxClient
  readonly caller: Sandbox
  readonly provided: Sandbox

  private constructor(
    parts: Pick<AuthProxyWorld, 'outside' | 'service' | 'vendor' | 'client' | 'caller' | 'provided'>,
  ) {
    this.outside = parts.outside
    this.service = parts.service
    this.vendor = parts.vendor
    this.client = parts.client
    this.caller = parts.caller
    this.provided = parts.provided
  }

  static async open(): Promise<AuthProxyWorld> {
    await using undo = new AsyncDisposableStack()
    const outside = undo.use(await OutsideHosts.open([...NAMES, ...Object.keys(TOKEN_SERVICES)], TOKEN_SERVICES))
    const service = undo.adopt(new Service(), (one) => one.close())
    await service.open()
    const vendor = undo.use(await VendorWorld.start(settings(outside)))
    const client = new SandboxClient()
    await vendor.world.client.secrets.set('AWS_SECRET', { value: AWS_SECRET })
    const authorization = rule([{ name: 'Authorization', ...opaqueSecret(`Bearer ${SECRET}`) }], {
      match_paths: ['/v1/*', '/'],
      env_vars: { API_KEY: 'not-the-real-one' },
    })
    const caller = await client.createSandbox({ name: 'caller', proxyConfig: rules(authorization) })
    const provided = await client.createSandbox({ name: 'provided', proxyConfig: providers(service.url) as object })
    undo.move()
    return new AuthProxyWorld({ outside, service, vendor, client, caller, provided })
  }

  /** What a host heard of a request, made inside by curl. */
  async heard(url: string, from: Sandbox = this.caller, options = ''): Promise<Record<string, string>> {
    const { stdout, stderr, exit_code } = await from.run(`curl -sS --max-time 20 ${options} ${url}`)
    if (exit_code !== 0) throw new Error(`curl ended with ${exit_code}: ${stderr}`)
    return JSON.parse(stdout)
  }

  /** A server that was ended at once, and the next one. */
  async newServer(): Promise<void> {
    await this.vendor.world.killServer()
    await this.vendor.world.startServer({ env: settings(this.outside) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.vendor[Symbol.asyncDispose]()
    this.service.close()
    await this.outside[Symbol.asyncDispose]()
  }
}

export function rule(headers: object[], more: object = {}) {
  return { name: 'api', match_hosts: ['api.test', '*.api.test'], headers, ...more }
}

export function rules(...all: object[]) {
  return proxyConfig({ rules: all as Record<string, unknown>[] })
}

function settings(outside: OutsideHosts): Record<string, string> {
  return { ...outside.server, SPAWNPOINT_CALLBACK_NETWORKS: '127.0.0.1', SPAWNPOINT_ISSUER: ISSUER }
}

function providers(service: string) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const account = {
    type: 'service_account',
    client_email: 'robot@project.test',
    private_key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    token_uri: `${service}/token`,
  }
  const aws = awsAuth({ accessKeyId: opaqueSecret(KEY_ID), secretAccessKey: workspaceSecret('AWS_SECRET') })
  const scopes = ['https://www.googleapis.com/auth/devstorage.read_only']
  const gcp = gcpAuth({ serviceAccountJson: opaqueSecret(JSON.stringify(account, null, 2)), scopes })
  const callback = {
    match_hosts: ['asked.test'],
    url: `${service}/ask`,
    ttl_seconds: 60,
    request_headers: [{ name: 'X-Shared', ...opaqueSecret('between-us') }],
  }
  return { ...proxyConfig({ rules: [aws, gcp] }), callbacks: [callback] }
}
