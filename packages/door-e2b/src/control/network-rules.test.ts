import { expect, it } from 'vitest'
import { credentialsOf, replacedRules, rulesJson } from './network-rules.ts'

const header = (name: string, value: string) => [{ transform: { headers: { [name]: value } } }]

it('puts exact hosts before patterns, longer patterns before shorter ones, and says back what was asked', () => {
  const rules = {
    '*.com': header('X-A', '1'),
    'Api.Example.com': [
      ...header('Authorization', 'Bearer first'),
      { transform: { headers: { authorization: 'Bearer second', 'X-B': 'b' } } },
    ],
    '*.example.com': header('Authorization', `Bearer \${e2b.secrets.api-key}`),
    'empty.test': [],
  }
  const asked = credentialsOf(rules)
  expect(asked.map(({ hosts, enabled }) => [hosts, enabled])).toEqual([
    [['api.example.com'], true],
    [['empty.test'], false],
    [['*.example.com'], true],
    [['*.com'], true],
  ])
  expect(asked[0]?.headers).toEqual([
    { name: 'authorization', value: 'Bearer second', secret: false },
    { name: 'X-B', value: 'b', secret: false },
  ])
  expect(asked[2]?.headers).toEqual([{ name: 'Authorization', template: 'Bearer {api-key}' }])
})

it('refuses what it cannot mean', () => {
  for (const value of [
    `\${e2b.identity.tokens.aws}`,
    `{x} \${e2b.secrets.a}`,
    `\${e2b.secrets.a} \${e2b.identity.tokens.b}`,
  ])
    expect(() => credentialsOf({ 'a.test': header('X', value) })).toThrow('network.rules')
  expect(() => credentialsOf({ 'a.test': [], 'A.test': [] })).toThrow('twice')
})

it('leaves rules of other doors as they are', () => {
  const rule = { enabled: true, hosts: ['b.test'], paths: [], matchHeaders: [], env: {} }
  const sealed = {
    ...rule,
    name: 'theirs',
    headers: [
      { name: 'X', sealed: 's' },
      { name: 'Y', value: 'y' },
    ],
  }
  const ours = { ...rule, name: 'e2b:a.test', hosts: ['a.test'], headers: [{ name: 'Z', template: 'z {k}' }] }
  expect(replacedRules([sealed, ours], undefined)).toEqual([
    { ...sealed, headers: [{ name: 'X' }, { name: 'Y', value: 'y', secret: false }] },
  ])
  expect(replacedRules([sealed], undefined)).toBeUndefined()
  expect(replacedRules([], { 'a.test': header('X', 'x') })).toHaveLength(1)
  expect(rulesJson([sealed, ours])).toEqual({
    'a.test': [{ transform: { headers: { Z: `z \${e2b.secrets.k}` } } }],
  })
  expect(rulesJson([sealed])).toBeUndefined()
})
