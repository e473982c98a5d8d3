import { expect, it } from 'vitest'
import { buildUuid, idOfBuild, sandboxId } from './ids.ts'

it('takes the id out of what the clients make of it', () => {
  expect(sandboxId('0198c0ffee00112233445566')).toBe('0198c0ffee00112233445566')
  expect(sandboxId('0198c0ffee00112233445566-6532622b')).toBe('0198c0ffee00112233445566')
  for (const bad of ['', '-x', 'ABC', '../x', 'a.b', 'ä']) expect(() => sandboxId(bad)).toThrow('No such sandbox')
})

it('makes UUIDs of ids and ids of such UUIDs', () => {
  const uuid = buildUuid('0198c0ffee00112233445566')
  expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(idOfBuild(uuid)).toBe('0198c0ffee00112233445566')
  for (const bad of ['', 'x', '00000000-0000-4000-8000-000000000000', `${uuid}0`]) expect(idOfBuild(bad)).toBeNull()
})
