import { expect, it } from 'vitest'
import { metadataOf } from './metadata-query.ts'

/** As the clients write it, and the router has decoded it. */
function written(metadata: Record<string, string>): string {
  const pairs = Object.entries(metadata).map(([key, value]) => [encodeURIComponent(key), encodeURIComponent(value)])
  return new URLSearchParams(Object.fromEntries(pairs)).toString()
}

it('reads pairs that were encoded twice over', () => {
  for (const pairs of [{ user: 'abc' }, { 'k 1': 'v&=/ü', 'a+b': '100%', '%': ' ' }, { __proto__x: '' }])
    expect(metadataOf(written(pairs))).toEqual(pairs)
  expect(metadataOf('user=abc&app=prod')).toEqual({ user: 'abc', app: 'prod' })
  expect(metadataOf(written({}))).toEqual({})
})

it('refuses what are no pairs', () => {
  for (const bad of ['x', 'a=b=c', 'a=b&', 'a=%', 'a=%25', '%FF=x']) expect(() => metadataOf(bad)).toThrow('metadata')
})
