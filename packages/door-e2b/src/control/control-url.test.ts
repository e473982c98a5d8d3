import { expect, it } from 'vitest'
import { controlUrl } from './control-url.ts'

const novita = { 'x-novita-sdk-name': 'sdk_js' }

it('sends what comes to the host of the API to the dialect of its client', () => {
  const at = (url: string, headers: Record<string, string>) => controlUrl({ url, headers }, 'sbx.test:8443')
  expect(at('/v2/sandboxes?limit=1', { host: 'api.sbx.test:8443' })).toBe('/e2b/v2/sandboxes?limit=1')
  expect(at('/sandboxes', { host: 'API.sbx.test:8443', ...novita })).toBe('/novita/sandboxes')
  expect(at('/e2b/templates/x/files/y?team=1', { host: 'api.sbx.test:8443' })).toBe('/e2b/templates/x/files/y?team=1')
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
