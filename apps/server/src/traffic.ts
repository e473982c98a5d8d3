import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { SpawnpointApi } from '@spawnpoint/core'
import {
  ENVD_PORT,
  Envd,
  endings,
  holdsTrafficToken,
  INTERPRETER_PORT,
  Interpreter,
  isControlRequest,
  ShownTokens,
  SignedFiles,
  TRAFFIC_TOKEN_HEADER,
} from '@spawnpoint/door-e2b'
import { BROWSER_COOKIE, BROWSER_PATH, browserSession, runtimeTokenAllows } from '@spawnpoint/door-hyperbrowser'
import {
  admitsService,
  EMBED,
  LOGIN,
  SERVICE_COOKIE,
  SERVICE_HEADERS,
  serviceEmbed,
  serviceLogin,
  serviceSignIn,
} from '@spawnpoint/door-langsmith'
import { INGRESS_TOKEN_HEADER, showsIngressToken } from '@spawnpoint/door-native'
import { Gateway, type GatewayService } from '@spawnpoint/gateway'
import type { Logger } from 'pino'

/** Traffic for ports of sandboxes, which never gets to the routes of the server itself. */
export function openGateway(api: SpawnpointApi, log: Logger, domain: string | null): Gateway {
  return new Gateway({
    api,
    log,
    domain,
    routingHeaders: [
      { id: 'e2b-sandbox-id', port: 'e2b-sandbox-port' },
      { id: 'novita-sandbox-id', port: 'novita-sandbox-port' },
    ],
    services: new Map<number, GatewayService>([
      [ENVD_PORT, new Envd({ api, log })],
      [INTERPRETER_PORT, new Interpreter({ tokens: api.tokens, log, isEnding: endings(api) })],
    ]),
    finders: [new SignedFiles(api), new ShownTokens(api)],
    tokens: [showsIngressToken(api), holdsTrafficToken(api.tokens), runtimeTokenAllows(api), admitsService(api)],
    signIn: serviceSignIn,
    logins: new Map([
      [BROWSER_PATH, { request: browserSession(api) }],
      [LOGIN, serviceLogin(api)],
      [EMBED, serviceEmbed],
    ]),
    stripHeaders: [INGRESS_TOKEN_HEADER, TRAFFIC_TOKEN_HEADER, ...SERVICE_HEADERS],
    stripCookies: [BROWSER_COOKIE, SERVICE_COOKIE],
  })
}

/** How long clients may take, in milliseconds, on every listener. */
export const HTTP_TIMES = {
  /** An upload or a followed process may take any time. */
  requestTimeout: 0,
  /** Said, because without a `requestTimeout` Node has none for headers either: whoever sends half of them would stay. */
  headersTimeout: 60_000,
  keepAliveTimeout: 72_000,
  /** A client that vanished without a word is asked by its kernel: a silent stream to it would keep its sandbox from ever being idle. */
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
} as const

export interface Handlers {
  request(req: IncomingMessage, res: ServerResponse): void
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void
}

/** To the gateway what is for a sandbox, the rest to the server's own. For every server that listens. */
export function dispatch(
  gateway: Pick<Gateway, 'matches' | 'request' | 'upgrade'>,
  domain: string | null,
  own: Handlers,
): Handlers {
  const isForSandbox = (req: IncomingMessage) => gateway.matches(req) && !isControlRequest(req, domain)
  return {
    request: (req, res) => (isForSandbox(req) ? gateway.request(req, res) : own.request(req, res)),
    upgrade(req, socket, head) {
      // Node's server lets go of a socket that is upgraded, and one that breaks with nobody listening ends the process.
      // Harmless: `close` follows, which is what everybody listens for.
      socket.on('error', () => {})
      if (isForSandbox(req)) gateway.upgrade(req, socket, head)
      else own.upgrade(req, socket, head)
    },
  }
}
