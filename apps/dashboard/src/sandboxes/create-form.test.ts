import { expect, it } from 'vitest'
import { EMPTY, errorsOf, parseMounts, requestOf } from './create-form.ts'

it('sends nothing that was left as it was, so that a snapshot’s own policies hold', () => {
  expect(JSON.parse(JSON.stringify(requestOf(EMPTY, 'snapshot 6920c1f20000a1b2c3d4e5f6', 'UTC')))).toEqual({
    snapshot: '6920c1f20000a1b2c3d4e5f6',
    resources: {},
    env: {},
    labels: {},
    timeout: {},
    network: {},
    ingress: {},
  })
})

it('sends what was chosen', () => {
  const form = {
    ...EMPTY,
    name: 'one',
    memory: '512M',
    timeout: '2h',
    onTimeout: 'pause' as const,
    internet: 'no' as const,
    allow: '10.0.0.0/8, 192.0.2.7/32',
    ports: 'token' as const,
    volumes: 'cache:/data\nmodels:/models:ro',
    cron: ' 0 3 * * * ',
  }
  expect(Object.values(errorsOf(form)).every((error) => error === null)).toBe(true)
  expect(requestOf(form, 'image base', 'Europe/Berlin')).toMatchObject({
    image: 'base',
    name: 'one',
    resources: { memoryBytes: 512 * 2 ** 20 },
    timeout: { timeoutMs: 7_200_000, onTimeout: 'pause' },
    network: { internet: false, allow: ['10.0.0.0/8', '192.0.2.7/32'] },
    ingress: { default: 'token' },
    volumes: [
      { volume: 'cache', path: '/data' },
      { volume: 'models', path: '/models', readOnly: true },
    ],
    schedule: { cron: '0 3 * * *', kind: 'filesystem', timeZone: 'Europe/Berlin' },
  })
})

it('tells what is wrong while it is typed', () => {
  const errors = errorsOf({ ...EMPTY, cpus: 'many', disk: '0', cron: '* *', volumes: 'cache', env: 'X' })
  expect(Object.entries(errors).filter(([, error]) => error !== null)).toHaveLength(5)
  for (const bad of ['cache', 'cache:data', ':/data', 'a b:/data', 'a:/b:rw'])
    expect(parseMounts(bad)).toHaveProperty('error')
})
