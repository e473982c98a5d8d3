import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, brotliDecompressSync, gzipSync } from 'node:zlib'
import Fastify from 'fastify'
import { expect, it, onTestFinished } from 'vitest'
import { loadDashboard, serveDashboard } from './dashboard.ts'

const SCRIPT = 'console.log("hello")'

async function served(built: boolean) {
  const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-dashboard-'))
  if (built) {
    mkdirSync(join(dir, 'assets'))
    writeFileSync(join(dir, 'index.html'), '<meta name="nonce" content="__NONCE__">')
    writeFileSync(join(dir, 'assets/index-AbCd_123.js'), SCRIPT)
    writeFileSync(join(dir, 'assets/index-AbCd_123.js.br'), brotliCompressSync(SCRIPT))
    writeFileSync(join(dir, 'assets/index-AbCd_123.js.gz'), gzipSync(SCRIPT))
    writeFileSync(join(dir, 'assets/icon.svg'), '<svg/>')
    writeFileSync(join(dir, 'secret.js'), 'no')
  }
  const dashboard = await loadDashboard(dir)
  // What is in memory is served whatever becomes of the directory.
  rmSync(dir, { recursive: true })
  const fastify = Fastify()
  onTestFinished(() => fastify.close())
  serveDashboard(fastify, dashboard)
  return (url: string, headers: Record<string, string> = {}) => fastify.inject({ url, headers })
}

it('serves its page for every path of its own, never from a cache, with a nonce of its own each time', async () => {
  const get = await served(true)
  const nonces = new Set<string>()
  for (const path of ['/', '/sandboxes', '/sandboxes/6920c1f20000a1b2c3d4e5f6/terminal', '/lineage']) {
    const answer = await get(path)
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['cache-control']).toBe('no-store')
    const [, nonce = ''] = /content="([^"]+)"/.exec(answer.body) ?? []
    const policy = String(answer.headers['content-security-policy'])
    expect(policy).toContain(`'nonce-${nonce}'`)
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("frame-ancestors 'none'")
    nonces.add(nonce)
  }
  expect(nonces.size).toBe(4)
  expect((await get('/nothing')).statusCode).toBe(404)
})

it('serves its page for whatever is in its menu', async () => {
  const get = await served(true)
  const menu = readFileSync(join(import.meta.dirname, '../../dashboard/src/pages.ts'), 'utf8')
  const paths = [...menu.matchAll(/to: '(\/\w+)'/g)].flatMap(([, path]) => path ?? [])
  expect(paths.length).toBeGreaterThan(10)
  for (const path of paths) expect((await get(path)).statusCode, path).toBe(200)
})

it('serves its files packed as the client likes, and for ever where the name tells the content', async () => {
  const get = await served(true)
  const packed = await get('/assets/index-AbCd_123.js', { 'accept-encoding': 'gzip, deflate, br' })
  expect(packed.headers).toMatchObject({
    'content-encoding': 'br',
    'cache-control': 'public, max-age=31536000, immutable',
    'content-type': 'text/javascript; charset=utf-8',
    'x-content-type-options': 'nosniff',
    vary: 'accept-encoding',
  })
  expect(brotliDecompressSync(packed.rawPayload).toString()).toBe(SCRIPT)
  expect((await get('/assets/index-AbCd_123.js', { 'accept-encoding': 'gzip' })).headers['content-encoding']).toBe(
    'gzip',
  )
  expect((await get('/assets/index-AbCd_123.js')).body).toBe(SCRIPT)
  expect((await get('/assets/icon.svg')).headers['cache-control']).toBe('public, max-age=3600')
})

it('serves nothing else', async () => {
  const get = await served(true)
  for (const path of ['/assets/nothing.js', '/assets/..%2fsecret.js', '/assets/%2e%2e/secret.js', '/secret.js'])
    expect((await get(path)).statusCode).toBe(404)
})

it('says what to do where it is not built', async () => {
  const answer = await (await served(false))('/')
  expect(answer.statusCode).toBe(503)
  expect(answer.body).toContain('script/bootstrap')
})
