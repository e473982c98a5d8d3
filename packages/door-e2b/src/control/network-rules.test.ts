import { expect, it } from 'vitest'
import { registered } from './iam-tokens.ts'
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
    `\${e2b.identity.tokens.aws} {x}`,
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

it('puts identity tokens into headers, of those that the sandbox was made with', () => {
  const audiences = { aws: 'sts.amazonaws.com', own: 'https://own.test' }
  const token = (name: string) => `Bearer \${e2b.identity.tokens.${name}}`
  const rules = { 'a.test': [{ transform: { headers: { Authorization: token('aws'), 'X-A': '1' } } }] }
  const [asked] = credentialsOf(rules, audiences)
  expect(asked).toMatchObject({
    enabled: true,
    headers: [{ name: 'X-A', value: '1' }],
    auth: {
      type: 'identity',
      audiences,
      tokenHeaders: [{ name: 'Authorization', template: 'Bearer {aws}' }],
      values: [],
    },
  })
  const stored = { enabled: true, paths: [], matchHeaders: [], env: {}, hosts: ['a.test'], name: 'e2b:a.test' }
  const auth = {
    type: 'identity' as const,
    audiences,
    tokenHeaders: asked?.auth?.type === 'identity' ? asked.auth.tokenHeaders : [],
    values: [],
  }
  expect(rulesJson([{ ...stored, headers: [{ name: 'X-A', value: '1' }], auth }])).toEqual({
    'a.test': [{ transform: { headers: { 'X-A': '1', Authorization: token('aws') } } }],
  })
  // Of those that are registered alone, also where rules come later.
  const register = { ...stored, name: 'e2b.iam', enabled: false, headers: [], auth: { ...auth, tokenHeaders: [] } }
  expect(registered(audiences)).toMatchObject([{ name: 'e2b.iam', enabled: false, auth: { audiences } }])
  expect(replacedRules([register], { 'b.test': header('X', token('own')) })).toMatchObject([
    { name: 'e2b.iam' },
    { hosts: ['b.test'], auth: { tokenHeaders: [{ name: 'X', template: 'Bearer {own}' }] } },
  ])
  expect(() => replacedRules([register], { 'b.test': header('X', token('typo')) })).toThrow('typo')
  expect(rulesJson([register])).toBeUndefined()
})
