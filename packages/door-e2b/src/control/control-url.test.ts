import { expect, it } from 'vitest'
import { controlUrl, isControlRequest } from './control-url.ts'

const novita = { 'x-novita-sdk-name': 'sdk_js' }

it('sends what comes to the host of the API to the dialect of its client', () => {
  const at = (url: string, headers: Record<string, string>) => controlUrl({ url, headers }, 'sbx.test:8443')
  expect(at('/v2/sandboxes?limit=1', { host: 'api.sbx.test:8443' })).toBe('/e2b/v2/sandboxes?limit=1')
  expect(at('/sandboxes', { host: 'API.sbx.test:8443', ...novita })).toBe('/novita/sandboxes')
  expect(at('/e2b/templates/x/files/y?team=1', { host: 'api.sbx.test:8443' })).toBe('/e2b/templates/x/files/y?team=1')
  expect(at('/.well-known/jwks.json', { host: 'api.sbx.test:8443' })).toBe('/.well-known/jwks.json')
  for (const host of ['sbx.test:8443', '49983-abc.sbx.test:8443', 'api.sbx.test', 'api.sbx.test:8443.example.com'])
    expect(at('/sandboxes', { host })).toBe('/sandboxes')
})

it('finds the one call that loses the path of its address', () => {
  const at = (url: string, headers: Record<string, string>) => controlUrl({ url, headers }, null)
  expect(at('/v2/templates?template_type=template_build', novita)).toBe(
    '/novita/v2/templates?template_type=template_build',
  )
  expect(at('/v2/templates', {})).toBe('/v2/templates')
  expect(at('/v2/templates/x', novita)).toBe('/v2/templates/x')
  expect(at('/novita/v2/templates', novita)).toBe('/novita/v2/templates')
  expect(at('/v1/sandboxes', { host: 'api.sbx.test' })).toBe('/v1/sandboxes')
})

it('tells calls that name a sandbox in their headers from those to the sandbox', () => {
  const is = (url: string, headers: Record<string, string>, domain: string | null = 'sbx.test') =>
    isControlRequest(
      { url, headers: { 'novita-sandbox-id': 'abc', 'novita-sandbox-port': '49983', ...headers } },
      domain,
    )
  expect(is('/novita/sandboxes/abc/connect', { host: '127.0.0.1:7300', 'x-api-key': 'k' })).toBe(true)
  expect(is('/sandboxes/abc/connect', { host: 'api.sbx.test', 'x-api-key': 'k' })).toBe(true)
  expect(is('/health', { host: '127.0.0.1:7300' })).toBe(false)
  expect(is('/files?path=/e2b/x', { host: '127.0.0.1:7300' }, null)).toBe(false)
  expect(is('/e2b/page', { host: '127.0.0.1:7300' })).toBe(false)
  expect(is('/e2b/page', { host: '3000-abc.sbx.test', 'x-api-key': 'of the program' })).toBe(false)
})
