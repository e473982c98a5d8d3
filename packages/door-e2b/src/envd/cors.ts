import type { IncomingMessage, ServerResponse } from 'node:http'

/** Any page may ask: what protects a sandbox is a token, and no browser sends one by itself. */
export function openToBrowsers(res: ServerResponse): void {
  res.setHeader('access-control-allow-origin', '*')
  res.setHeader('access-control-expose-headers', '*')
}

export function answerPreflight(req: IncomingMessage, res: ServerResponse): void {
  const asked = req.headers['access-control-request-headers']
  res.writeHead(204, {
    'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
    ...(asked === undefined ? {} : { 'access-control-allow-headers': asked }),
    'access-control-max-age': '7200',
  })
  res.end()
}
