import { SpawnpointError } from '@spawnpoint/core'
import { expect, it } from 'vitest'
import { toConnectError } from './errors.ts'

it('says of a command that is too long that it is that, and not that the shell is', () => {
  const failed = (errno: string, path: string) =>
    toConnectError(new SpawnpointError('guest_error', `${errno}: ${path}`, { errno, path, what: 'program' })).rawMessage
  expect(failed('ENAMETOOLONG', '/bin/bash')).toBe('error starting process: argument list too long')
  expect(failed('ENOENT', '/bin/nothing')).toBe('error starting process: ENOENT: /bin/nothing')
  const name = `/${'x'.repeat(300)}`
  expect(failed('ENAMETOOLONG', name)).toBe(`error starting process: ENAMETOOLONG: ${name}`)
})
