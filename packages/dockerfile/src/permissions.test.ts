import { expect, it } from 'vitest'
import { permissionsOf } from './permissions.ts'

it.each([
  ['755', 0o644, false, 0o755],
  ['04755', 0o644, false, 0o4755],
  ['u+x', 0o644, false, 0o744],
  ['+x', 0o644, false, 0o755],
  ['a-w', 0o666, false, 0o444],
  ['go=', 0o755, false, 0o700],
  ['u=rwX,go=rX', 0o600, false, 0o644],
  ['u=rwX,go=rX', 0o700, false, 0o755],
  ['u=rwX,go=rX', 0o700, true, 0o755],
  ['u=rwX,go=rX', 0o600, true, 0o755],
  ['g=u', 0o740, false, 0o770],
  ['o=g-w', 0o760, false, 0o764],
  ['ug+s', 0o755, false, 0o6755],
  ['u-s', 0o4755, false, 0o755],
  ['u=rw', 0o4755, false, 0o655],
  ['+t', 0o777, true, 0o1777],
  ['=r', 0o1777, true, 0o444],
  ['g+w,o-rx', 0o755, true, 0o770],
])('%s makes of %o (a directory: %s) %o', (text, before, isDirectory, after) => {
  expect(permissionsOf(text)?.of(before, isDirectory).toString(8)).toBe(after.toString(8))
})

it.each(['', '9', '75', 'x', 'u', 'u+q', 'u+x,', 'z=r', '77777'])('%j says nothing', (text) => {
  expect(permissionsOf(text)).toBeNull()
})
