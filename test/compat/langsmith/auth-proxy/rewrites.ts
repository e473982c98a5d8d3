import { Langsmith } from 'langsmith'
import { opaqueSecret } from 'langsmith/sandbox'
import { expect, it } from 'vitest'
import { rule, rules, SECRET, world } from './world.ts'

const mine = '-H "Authorization: Bearer mine" -H "Cookie: a=b" -H "X-Own: kept"'

it('sends requests to another host, without what the box gave to be known by', async () => {
  const rewrite = { host: 'gateway.test', port: 443 }
  const own = rule([{ name: 'X-Gateway-Key', ...opaqueSecret(SECRET) }], {
    type: 'rewrite',
    description: 'by way of the gateway',
    match_paths: ['/v1/*'],
    rewrite,
  })
  const headers = [{ name: 'X-Agent', type: 'plaintext', value: 'support' }]
  const said = { name: 'attribution', type: 'attribution', headers }
  await world.client.updateSandbox('caller', { proxyConfig: rules(said, own) })
  const got = await world.heard('https://api.test/v1/models', world.caller, mine)
  expect(got).toMatchObject({ host: 'gateway.test', 'x-own': 'kept', 'x-gateway-key': SECRET, 'x-agent': 'support' })
  expect([got.authorization, got.cookie]).toEqual([undefined, undefined])
  expect(await world.heard('https://api.test/v2', world.caller, mine)).toMatchObject({
    host: 'api.test',
    authorization: 'Bearer mine',
    'x-agent': 'support',
  })
  const { boxes } = new Langsmith({ baseURL: `${world.vendor.world.url}/langsmith` }).sandboxes
  const { proxy_config: shown } = await boxes.retrieve('caller')
  expect(shown?.rules).toMatchObject([
    { type: 'attribution', headers },
    { type: 'rewrite', description: 'by way of the gateway', rewrite: { ...rewrite, credentials: 'strip' } },
  ])
  const unreadable = { rules: [{ ...shown?.rules?.[1], rewrite: { ...rewrite, credentials: 'redact' as const } }] }
  await boxes.update('caller', { proxy_config: unreadable as typeof shown & object })
  expect(await world.heard('https://api.test/v1/models', world.caller, mine)).toMatchObject({
    authorization: 'Bearer redacted',
    cookie: 'redacted',
    'x-gateway-key': SECRET,
  })
})

it('sends nothing past the access list, which has to name only whom the box asks', async () => {
  const refused = async () => (await world.caller.run('curl -sS --max-time 20 https://api.test/')).stdout
  const to = (host: string, more: object = {}) => ({ rules: [rule([], { rewrite: { host, port: 443 } })], ...more })
  const denied = to('gateway.test', { access_control: { deny_list: ['gateway.test'] } })
  await world.client.updateSandbox('caller', { proxyConfig: denied })
  expect(await refused()).toBe('spawnpoint: the host that requests are sent to instead cannot be reached\n')
  const only = (...allow_list: string[]) => to('gateway.test', { access_control: { allow_list } })
  await world.client.updateSandbox('caller', { proxyConfig: only('other.test') })
  expect(await refused()).toBe('spawnpoint: api.test is not allowed\n')
  await world.client.updateSandbox('caller', { proxyConfig: only('api.test') })
  expect(await world.heard('https://api.test/')).toMatchObject({ host: 'gateway.test' })
  const link = rule([], { rewrite: { sandbox: 'provided', port: 80 } })
  await expect(world.client.updateSandbox('caller', { proxyConfig: rules(link) })).rejects.toThrow('no links')
})
