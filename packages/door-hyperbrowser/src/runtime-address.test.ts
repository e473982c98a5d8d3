import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { exposedUrl, runtimeAddress, runtimeCallUrl, runtimeUrl } from './runtime-address.ts'

const ID = 'a'.repeat(24)

describe('where the inside of a sandbox is', () => {
  it.each([
    ['http', '127.0.0.1:7300', null, `http://localhost:7300/sandbox/${ID}`, `http://3000-${ID}.localhost:7300/`],
    ['http', 'box.lan:7300', null, `http://box.lan:7300/sandbox/${ID}`, `http://3000-${ID}.box.lan:7300/`],
    ['https', 'api.sbx.test:7443', 'sbx.test:7443', `https://${ID}.sbx.test:7443`, `https://3000-${ID}.sbx.test:7443/`],
    ['https', 'api.sbx.test', 'sbx.test', `https://${ID}.sbx.test`, `https://3000-${ID}.sbx.test/`],
    ['http', '127.0.0.1:7300', 'sbx.test', `http://localhost:7300/sandbox/${ID}`, `http://3000-${ID}.localhost:7300/`],
  ] as const)('over %s at %s, with the domain %s, is %s', (scheme, host, domain, baseUrl, port) => {
    const address = runtimeAddress({ scheme, host }, domain, ID)
    expect(address.baseUrl).toBe(baseUrl)
    expect(exposedUrl(address, 3000)).toBe(port)
    const call = domain !== null && host.endsWith(domain) ? 'sandbox/files' : 'files'
    expect(runtimeCallUrl(address, 'files')).toBe(`${baseUrl}/${call}`)
  })

  it.each([
    [`${ID}.sbx.test:7443`, '/sandbox/exec', `/sandbox/${ID}/exec`],
    [`${ID}.sbx.test`, '/other', '/other'],
    [`x${ID}.sbx.test`, '/sandbox/exec', '/sandbox/exec'],
    [`${ID}.evil.test`, '/sandbox/exec', '/sandbox/exec'],
    [undefined, '/sandbox/exec', '/sandbox/exec'],
  ])('a request to %s for %s is one for %s', (host, url, expected) => {
    expect(runtimeUrl({ headers: { host }, url } as IncomingMessage, 'sbx.test:7443')).toBe(expected)
  })
})
