import { SpawnpointError } from '@spawnpoint/core'
import { expect, test } from 'vitest'
import { explain } from './explain.ts'

const config = { dataDir: '/data', host: '127.0.0.1', port: 7300 }
const system = (fields: object) => Object.assign(new Error('as the system says it'), fields)

test.each([
  ['a port in use', system({ code: 'EADDRINUSE', syscall: 'listen' }), 'port 7300 of 127.0.0.1 is in use'],
  ['an address of another machine', system({ code: 'EADDRNOTAVAIL', syscall: 'listen' }), '--host'],
  ['a data directory that is read-only', system({ code: 'EROFS', syscall: 'mkdir', path: '/data/pool' }), '--data-dir'],
  ['a place for no directories', system({ code: 'ENOENT', syscall: 'mkdir', path: '/data' }), '--data-dir'],
  ['a full disk', system({ code: 'ENOSPC', syscall: 'write' }), 'no space left on the disk of /data'],
  [
    'a full disk that a program tells of',
    new SpawnpointError(
      'unavailable',
      'initdb failed',
      { reason: '' },
      { cause: new Error('No space left on device') },
    ),
    'no space left on the disk of /data',
  ],
  ['what the parts say themselves', new SpawnpointError('unavailable', 'do this', { reason: 'do this' }), 'do this'],
])('%s is explained', (_, error, text) => {
  expect(explain(error, config)).toContain(text)
})

test('what nobody expects keeps its stack', () => {
  expect(explain(new TypeError('x is not a function'), config)).toBeNull()
})
