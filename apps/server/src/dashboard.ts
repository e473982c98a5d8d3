import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { extname, join } from 'node:path'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { REPOSITORY } from './config.ts'

/** Where its build puts it, see apps/dashboard/build/build.ts */
export const DASHBOARD_DIR = join(REPOSITORY, 'apps/dashboard/dist')
/** First parts of the paths of its pages, which it tells apart by itself */
const PAGES = [
  'sandboxes',
  'snapshots',
  'lineage',
  'compare',
  'images',
  'volumes',
  'registries',
  'secrets',
  'schedules',
  'usage',
  'keys',
  'audit',
  'teams',
  'settings',
] as const
/** In the page, for the nonce of the answer at hand */
const NONCE = '__NONCE__'

const TYPES: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

interface Asset {
  type: string
  plain: Buffer
  /** The same, packed, by name of the encoding; none where that saves nothing */
  packed: { encoding: 'br' | 'gzip'; bytes: Buffer }[]
}

/** The dashboard's files, in memory: a build while the server runs takes nothing away from who has its page open. */
export interface Dashboard {
  page: string
  assets: ReadonlyMap<string, Asset>
}

/** `null` if it is not built. */
export async function loadDashboard(dir = DASHBOARD_DIR): Promise<Dashboard | null> {
  const page = await readIfThere(join(dir, 'index.html'))
  if (page === null) return null
  const names = await readdir(join(dir, 'assets'))
  const assets = new Map<string, Asset>()
  const load = async (name: string) => {
    const path = join(dir, 'assets', name)
    const type = TYPES[extname(name)]
    if (type === undefined) return
    const packed: Asset['packed'] = []
    for (const [encoding, suffix] of [
      ['br', '.br'],
      ['gzip', '.gz'],
    ] as const) {
      if (names.includes(name + suffix)) packed.push({ encoding, bytes: await readFile(path + suffix) })
    }
    assets.set(name, { type, plain: await readFile(path), packed })
  }
  await Promise.all(names.map(load))
  return { page: page.toString('utf8'), assets }
}

/** Adds the dashboard at `/`. It is files alone: what it shows and does goes through the API, with its user's key. */
export function serveDashboard<L extends FastifyBaseLogger>(
  fastify: FastifyInstance<Server, IncomingMessage, ServerResponse, L>,
  dashboard: Dashboard | null,
): void {
  const page = async (_request: FastifyRequest, reply: FastifyReply) => {
    if (dashboard === null) {
      return reply
        .code(503)
        .type('text/plain')
        .send('The dashboard is not built; run script/bootstrap and start again\n')
    }
    const nonce = randomBytes(16).toString('base64')
    return reply
      .headers({ ...GUARDS, 'content-security-policy': policy(nonce), 'cache-control': 'no-store' })
      .type('text/html; charset=utf-8')
      .send(dashboard.page.replaceAll(NONCE, nonce))
  }
  for (const path of ['/', ...PAGES.flatMap((name) => [`/${name}`, `/${name}/*`])]) fastify.get(path, page)
  fastify.get('/favicon.ico', async (_request, reply) => reply.redirect('/assets/icon.svg', 302))
  fastify.get<{ Params: { name: string } }>('/assets/:name', async (request, reply) => {
    const asset = dashboard?.assets.get(request.params.name)
    if (asset === undefined) return reply.code(404).type('text/plain').send('No such file\n')
    const accepted = request.headers['accept-encoding'] ?? ''
    const packed = asset.packed.find(({ encoding }) => new RegExp(`\\b${encoding}\\b`).test(accepted))
    if (packed !== undefined) reply.header('content-encoding', packed.encoding)
    // Names of files say what is in them, but for the icon's.
    const hashed = /-[\w-]{8}\.\w+$/.test(request.params.name)
    return reply
      .headers({
        ...GUARDS,
        'cache-control': hashed ? 'public, max-age=31536000, immutable' : 'public, max-age=3600',
        vary: 'accept-encoding',
      })
      .type(asset.type)
      .send(packed?.bytes ?? asset.plain)
  })
}

const GUARDS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/**
 * Scripts and data from here alone. The terminal makes style elements, which carry the nonce, and colours single characters by
 * style attributes.
 */
function policy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "style-src-attr 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

async function readIfThere(path: string): Promise<Buffer | null> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
}
