import dockerignore from '@balena/dockerignore'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasWildcard, pathMatcher } from './glob.ts'
import { ignoring } from './ignore.ts'

describe('patterns', () => {
  it.each([
    ['a', 'a', true],
    ['*.c', 'x.c', true],
    ['*.c', 'd/x.c', false],
    ['*/x.c', 'd/x.c', true],
    ['?b', 'ab', true],
    ['?b', '/b', false],
    ['[a-c]x', 'bx', true],
    ['[^a-c]x', 'bx', false],
    ['[]a]x', ']x', true],
    ['a\\*', 'a*', true],
    ['a\\*', 'ab', false],
    ['**/x', 'x', true],
    ['**/x', 'a/b/x', true],
    ['a/**', 'a/b/c', true],
    ['a/**', 'a', false],
    ['a/**/z', 'a/z', true],
    ['a*b*c', 'aXbXbXc', true],
    ['a*b*c', 'aXbXb', false],
    ['😀?', '😀😀', true],
  ])('%s and %s: %s', (pattern, path, expected) => {
    expect(pathMatcher(pattern)(path)).toBe(expected)
  })

  it('that are not closed are refused', () => {
    expect(() => pathMatcher('[a')).toThrow(/not closed/)
  })

  it('take no longer for what is made to take long', () => {
    expect(pathMatcher(`${'*a'.repeat(100)}b`)('a'.repeat(3_000))).toBe(false)
    expect(pathMatcher(`${'**/'.repeat(50)}b`)('a/'.repeat(1_000))).toBe(false)
  })

  it('know their wildcards', () => {
    expect(['a*', 'a?', '[a]', 'a\\*', 'a'].map(hasWildcard)).toEqual([true, true, true, false, false])
  })
})

describe('what is ignored', () => {
  it.each([
    ['node_modules', ['node_modules', 'node_modules/a/b'], ['a/node_modules', 'node_modules2']],
    ['# no\n\n*.md\n!README.md', ['a.md'], ['README.md', 'd/a.md', '# no']],
    ['**/*.log', ['a.log', 'a/b/c.log'], ['a.txt']],
    ['/a/', ['a', 'a/b'], ['b/a']],
    ['*\n!src', ['a', 'b/src'], ['src', 'src/x']],
    ['!a\na', ['a'], []],
    ['.', [], ['a']],
  ])('%j', (text, ignored, kept) => {
    const rules = ignoring(text)
    expect(ignored.filter((path) => !rules.has(path))).toEqual([])
    expect(kept.filter((path) => rules.has(path))).toEqual([])
  })

  it('is what a port of Docker’s own code says', () => {
    const part = fc.constantFrom('a', 'b', 'ab', 'x.c')
    const piece = fc.constantFrom('a', 'b', '*', '?', 'a*', '*.c', '**', 'x.c')
    const rule = fc
      .tuple(fc.constantFrom('', '!'), fc.array(piece, { minLength: 1, maxLength: 4 }))
      .map(([not, parts]) => not + parts.join('/'))
    const path = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'))
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 5 }), path, (rules, file) => {
        const theirs = dockerignore.default({ ignorecase: false }).add(rules.join('\n')).ignores(file)
        expect(ignoring(rules.join('\n')).has(file)).toBe(theirs)
      }),
      { numRuns: 2_000 },
    )
  })
})
