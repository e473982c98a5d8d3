import { expect, it } from 'vitest'
import { joined, textOf, waypoints } from './paths.ts'

it('joins and takes apart paths', () => {
  expect(joined('/', 'a')).toBe('/a')
  expect(joined('/a', 'b c')).toBe('/a/b c')
  expect(waypoints('/')).toEqual([{ name: '/', path: '/' }])
  expect(waypoints('/home/user').map(({ path }) => path)).toEqual(['/', '/home', '/home/user'])
})

it('tells text from what an editor would spoil', () => {
  const bytes = (text: string) => new TextEncoder().encode(text)
  expect(textOf(bytes('Grüße\n'))).toBe('Grüße\n')
  expect(textOf(bytes('\ufeffx'))).toBe('\ufeffx')
  expect(textOf(new Uint8Array([1, 0, 2]))).toBeNull()
  expect(textOf(new Uint8Array([0xff, 0xfe]))).toBeNull()
})
