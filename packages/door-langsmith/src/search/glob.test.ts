import { describe, expect, it } from 'vitest'
import { globMatcher, reachOf } from './glob.ts'

describe('a pattern', () => {
  it.each([
    ['*.py', 'a.py', true],
    ['*.py', 'a.pyc', false],
    ['*.py', 'sub/a.py', false],
    ['**/*.py', 'a.py', true],
    ['**/*.py', 'x/y/a.py', true],
    ['src/**', 'src/a/b', true],
    ['src/**', 'srcs/a', false],
    ['**', 'a/b/c', true],
    ['a/**/b/**/c', 'a/x/b/y/z/c', true],
    ['a/**/b', 'a/b', true],
    ['?.txt', 'é.txt', true],
    ['?.txt', 'ab.txt', false],
    ['[a-c]x', 'bx', true],
    ['[!a-c]x', 'bx', false],
    ['[]]', ']', true],
    ['[', '[', true],
    ['a[.txt', 'a[.txt', true],
    ['*', '.hidden', true],
    ['a*b*c', 'aXbYc', true],
    ['a*b*c', 'aXbY', false],
  ])('%s of %s: %s', (pattern, path, expected) => {
    expect(globMatcher(pattern)(path)).toBe(expected)
  })

  it('that is made to take for ever does not', () => {
    const matches = globMatcher(`${'*a'.repeat(100)}b`)
    expect(matches('a'.repeat(10_000))).toBe(false)
    expect(globMatcher(`${'**/'.repeat(100)}b`)('a/'.repeat(60))).toBe(false)
  })

  it.each([
    ['*', { base: '', depth: 1 }],
    ['src/lib/*.ts', { base: 'src/lib', depth: 1 }],
    ['src/*/x/*.ts', { base: 'src', depth: 3 }],
    ['src/**/*.ts', { base: 'src', depth: null }],
    ['src/a.ts', { base: 'src', depth: 1 }],
  ])('%s looks no further than it must', (pattern, expected) => {
    expect(reachOf(pattern)).toEqual(expected)
  })
})
