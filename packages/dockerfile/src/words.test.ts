// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expand, expandContent, rawWords } from './words.ts'

const VALUES: Record<string, string> = { A: 'one', B: 'two words', EMPTY: '', V: '1.22.333', P: '/a/b/*.tar.gz' }
const known = (name: string) => VALUES[name]

describe('variables', () => {
  it.each([
    ['$A', 'one'],
    ['${A}s', 'ones'],
    ['$As', ''],
    ['$UNSET.', '.'],
    ['a$', 'a$'],
    ['$-', '$-'],
    ['\\$A', '$A'],
    ["'$A'", '$A'],
    ['"$A b"', 'one b'],
    ['"a \\"b\\" \\x"', 'a "b" \\x'],
    ["'\\'", '\\'],
    ['$B', 'two words'],
    ['${UNSET:-$A}', 'one'],
    ['${EMPTY:-else}', 'else'],
    ['${EMPTY-else}', ''],
    ['${A:+then}', 'then'],
    ['${EMPTY:+then}', ''],
    ['${EMPTY+then}', 'then'],
    ['${UNSET:+then}', ''],
    ['${UNSET:-${OTHER:-deep}}', 'deep'],
    ['${UNSET:-"a } b"}', 'a } b'],
    ['${A:?message}', 'one'],
    ['a\\ b', 'a b'],
    ['${V#*.}', '22.333'],
    ['${V##*.}', '333'],
    ['${V%.*}', '1.22'],
    ['${V%%.*}', '1'],
    ['${V#2}', '1.22.333'],
    ['${V%3?}', '1.22.3'],
    ['${V%%*}', ''],
    ['${V#}', '1.22.333'],
    ['${UNSET#*}', ''],
    ['${V/./-}', '1-22.333'],
    ['${V//./-}', '1-22-333'],
    ['${V//[0-9]/x}', '1.22.333'],
    ['${V/.*.}', '1333'],
    ['${V//2?/$A}', '1.one.333'],
    ['${P//\\//_}', '_a_b_*.tar.gz'],
    ['${P%\\*.tar*}', '/a/b/'],
    ["${P/'*'/x}", '/a/b/x.tar.gz'],
    ['"${P##*/}"', '*.tar.gz'],
    ['${V#${V%%.*}.}', '22.333'],
  ])('%s is %s', (text, expected) => {
    expect(expand(text, known, '\\')).toBe(expected)
  })

  it.each([
    ['${A', /is missing|not understood/],
    ['${}', /not a variable/],
    ['"a', /quote does not end/],
    ["'a", /quote does not end/],
    ['${UNSET:?wanted}', /UNSET: wanted/],
    ['${A#o', /is missing/],
    ['${A/o', /is missing/],
    ['${A^}', /not understood/],
    ['${A:0:1}', /not understood/],
  ])('%s is refused', (text, message) => {
    expect(() => expand(text, known, '\\')).toThrow(message)
  })

  it('are escaped as the file says', () => {
    expect(expand('`$A \\x', known, '`')).toBe('$A \\x')
  })

  it('in the content of heredocs leave quotes and other escapes alone', () => {
    expect(expandContent('"$A" \\n \\$A \'\'\n', known, '\\')).toBe('"one" \\n $A \'\'\n')
  })

  it('of text that has none are nothing', () => {
    const plain = fc.string().filter((text) => !/[$\\"']/.test(text))
    fc.assert(fc.property(plain, (text) => expand(text, known, '\\') === text))
  })

  it('do not grow without end', () => {
    const values: Record<string, string> = { A: 'a'.repeat(60_000) }
    expect(() => expand('$A$A$A', (name) => values[name], '\\')).toThrow(/more than/)
    expect(() => expand('"$A$A$A"', (name) => values[name], '\\')).toThrow(/more than/)
    expect(() => expand(`${'${X:-'.repeat(50)}${'}'.repeat(50)}`, () => undefined, '\\')).toThrow(/deep/)
    expect(() => expand(`${'${A#'.repeat(50)}${'}'.repeat(50)}`, (name) => values[name], '\\')).toThrow(/deep/)
    expect(() => expand('${A//a/$A}', (name) => values[name], '\\')).toThrow(/more than/)
    expect(() => expand('${A//a*a*a*b/}', (name) => values[name], '\\')).toThrow(/too long/)
  })

  it('are never too much for it', () => {
    const hostile = fc.string({
      unit: fc.constantFrom('$', '{', '}', ':', '-', '+', '#', '%', '/', '*', '"', "'", '\\', 'A'),
      maxLength: 200,
    })
    fc.assert(
      fc.property(hostile, (text) => {
        try {
          expand(text, known, '\\')
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
          expect(error).not.toBeInstanceOf(RangeError)
        }
      }),
    )
  })
})

it('words keep quotes and escapes', () => {
  expect(rawWords(' a="b c"  d\\ e \'f g\'h ', '\\')).toEqual(['a="b c"', 'd\\ e', "'f g'h"])
  expect(rawWords('', '\\')).toEqual([])
})
