import { expect, it } from 'vitest'
import { createSchema, newNetworkOf } from './requests.ts'

const OPEN = { internet: true, allow: [], allowDomains: [], deny: [], precedence: 'allow' }
const of = (body: object) => newNetworkOf(createSchema.parse(body))

it('a start from a snapshot that says nothing of the network leaves it to the snapshot', () => {
  expect(of({ snapshotName: 'point', timeoutMinutes: 5 })).toBeUndefined()
  expect(of({ imageName: 'node' })).toEqual(OPEN)
})

it('a start that says something of it says all of it', () => {
  expect(of({ snapshotName: 'point', allowInternetAccess: false })).toEqual({ ...OPEN, internet: false })
  expect(of({ snapshotName: 'point', denyOut: ['10.0.0.0/8'] })).toEqual({ ...OPEN, deny: ['10.0.0.0/8'] })
  expect(of({ snapshotName: 'point', allowOut: ['1.2.3.4', 'example.com'] })).toEqual({
    ...OPEN,
    allow: ['1.2.3.4'],
    allowDomains: ['example.com'],
  })
})
