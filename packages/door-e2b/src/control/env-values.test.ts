import { expect, it } from 'vitest'
import { expanded, variable, withKnown } from './env-values.ts'

const env = { A: 'a', EMPTY: '', DOLLAR: '$A' }

it.each([
  ['$A-$NONE', 'a-'],
  [`$\{A}b $Ab`, 'ab '],
  ['$HOME', '/root'],
  ['$DOLLAR', '$A'],
  [`/x:$\{NONE:-/y}`, '/x:/y'],
  [`$\{EMPTY:-e}$\{EMPTY-e}`, 'e'],
  [`$\{A:-e}$\{A-e}`, 'aa'],
  [`$\{A:+/$A}$\{NONE:+n}$\{EMPTY+s}$\{EMPTY:+n}`, '/as'],
  [`$\{NONE:-$\{A}b}`, 'ab'],
  [`$5 $(id) $\{A/b} $\{`, `$5 $(id) $\{A/b} $\{`],
  [`\\$A \\$\{A} \\$5 \\A \\\\`, `$A $\{A} $5 \\A \\\\`],
  [`$\{NONE:-\\$A}`, '$A'],
])('the value %j is %j', (value, is) => {
  expect(expanded(value, env)).toBe(is)
})

it('a path keeps what is the name of no variable', () => {
  expect(withKnown(`/$A/$\{A}/$id.ts/$\{NONE}/$\{NONE:-b}`, env)).toBe(`/a/a/$id.ts/$\{NONE}/b`)
  expect(withKnown('/\\$A', env)).toBe('/$A')
})

it.each([
  [['A', "'x'"], 'x'],
  [["A='x", "y'"], 'x y'],
  [['A', "'x $A \\$A'"], 'x $A \\$A'],
  [['A', "'x' 'y'"], "'x' 'y'"],
  [['A', `"x '$A'"`], "x 'a'"],
] as const)('of a Dockerfile %j is %j', ([name, value], is) => {
  const said = variable(name, value)
  expect([said.name, expanded(said.value, env)]).toEqual(['A', is])
})
