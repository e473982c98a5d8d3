import { expect, it } from 'vitest'
import { asSet, formOf, ruleOf } from './credential-form.ts'

const RULE = {
  name: 'api',
  enabled: false,
  hosts: ['api.example.com'],
  paths: ['/v1/*'],
  matchHeaders: [{ name: 'x-a', value: '1' }],
  headers: [
    { name: 'authorization', value: null, secret: true },
    { name: 'x-team', value: 'ours', secret: false },
    { name: 'x-key', value: null, template: 'Key {KEY}', secret: true },
  ],
  env: { API: 'https://api.example.com' },
}

it('sends secrets back by name alone, and leaves what it does not show', () => {
  expect(ruleOf(formOf(RULE), RULE, [])).toEqual({ rule: asSet(RULE) })
  expect(asSet(RULE).headers).toEqual([
    { name: 'authorization', secret: true },
    { name: 'x-team', secret: false, value: 'ours' },
    { name: 'x-key', template: 'Key {KEY}' },
  ])
})

it('asks for a secret again where the server would not keep it', () => {
  expect(ruleOf({ ...formOf(RULE), hosts: 'other.example.com' }, RULE, [])).toHaveProperty('error')
  expect(ruleOf({ ...formOf(RULE), name: 'other' }, RULE, [])).toHaveProperty('error')
})

it('tells what is missing', () => {
  const form = { ...formOf(null), name: 'api', hosts: 'api.example.com' }
  expect(ruleOf(form, null, [])).toEqual({ error: "Give the value of 'authorization'" })
  expect(ruleOf(form, null, ['api'])).toHaveProperty('error')
  const header = { name: 'authorization', value: 'Bearer x', kind: 'secret' as const, kept: false }
  expect(ruleOf({ ...form, headers: [header] }, null, [])).toMatchObject({
    rule: { enabled: true, headers: [{ name: 'authorization', value: 'Bearer x', secret: true }] },
  })
  expect(
    ruleOf({ ...form, headers: [{ ...header, value: 'Bearer {KEY}', kind: 'template' }] }, null, []),
  ).toMatchObject({
    rule: { headers: [{ name: 'authorization', template: 'Bearer {KEY}' }] },
  })
})
