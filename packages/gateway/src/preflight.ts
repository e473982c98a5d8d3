import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RoutingHeaders } from './address.ts'

/** A browser asks whether it may send routing headers; the question itself does not carry them. */
export function isPreflight(req: IncomingMessage, routingHeaders: readonly RoutingHeaders[]): boolean {
  if (req.method !== 'OPTIONS') return false
  const asked = req.headers['access-control-request-headers']?.toLowerCase().split(',') ?? []
  const names = new Set(asked.map((name) => name.trim()))
  return routingHeaders.some(({ id }) => names.has(id))
}

/** It may: what protects a sandbox is a token, and no browser sends one by itself. */
export function answerPreflight(req: IncomingMessage, res: ServerResponse): void {
  const asked = req.headers['access-control-request-headers']
  res.writeHead(204, {
    'access-control-allow-origin': '*',
    'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
    ...(asked === undefined ? {} : { 'access-control-allow-headers': asked }),
    'access-control-max-age': '7200',
  })
  res.end()
}
