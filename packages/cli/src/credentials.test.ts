import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { credentialsFrom } from './credentials.ts'

const directory = mkdtempSync(join(tmpdir(), 'spawnpoint-cli-'))
afterAll(() => rmSync(directory, { recursive: true }))

const from = (...given: string[]) => credentialsFrom(given, undefined, { KEY: 'k1', EMPTY: '' })

it('takes values from the environment, from files and from stored secrets, a rule for each list of hosts', () => {
  const path = join(directory, 'key')
  writeFileSync(path, 'from-file\n')
  expect(
    from(
      'api.test,*.api.test:Authorization=Bearer env:KEY',
      `other.test:X-Key=file:${path}`,
      'api.test,*.api.test:X-Org={ORG}',
    ),
  ).toEqual([
    {
      name: 'api.test,*.api.test',
      hosts: ['api.test', '*.api.test'],
      headers: [
        { name: 'Authorization', value: 'Bearer k1' },
        { name: 'X-Org', template: '{ORG}' },
      ],
    },
    { name: 'other.test', hosts: ['other.test'], headers: [{ name: 'X-Key', value: 'from-file' }] },
  ])
  expect(credentialsFrom(undefined, undefined)).toBeUndefined()
})

it('reads whole rules from a file', () => {
  const path = join(directory, 'rules.json')
  const rules = [{ name: 'a', hosts: ['a.test'], headers: [{ name: 'X', template: '{A}' }], paths: ['/v1/*'] }]
  writeFileSync(path, JSON.stringify(rules))
  expect(credentialsFrom(undefined, path)).toEqual(rules)
  writeFileSync(path, '{"a":1}')
  expect(() => credentialsFrom(undefined, path)).toThrow('is no list of rules')
  writeFileSync(path, 'a: 1')
  expect(() => credentialsFrom(undefined, path)).toThrow('is no JSON')
})

it.each([
  ['api.test:Authorization=Bearer plain', /arguments are seen by all/],
  ['api.test:Authorization=env:NONE', /no variable NONE/],
  ['api.test:Authorization=env:EMPTY', /no variable EMPTY/],
  ['api.test:Authorization=file:/nonexistent', /cannot be read/],
  ['api.test', /has the form/],
])('refuses %s, without saying the value again', (text, message) => {
  expect(() => from(text)).toThrow(message)
  expect(() => from(text)).not.toThrow('plain')
})
