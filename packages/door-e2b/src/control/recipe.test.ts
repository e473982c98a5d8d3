import { expect, it } from 'vitest'
import { buildSteps } from './recipe.ts'

const BASE = { PATH: '/bin', A: 'a' }
const step = (type: string, ...args: string[]) => ({ type, args, filesHash: undefined, force: undefined })
const env = (...args: string[]) => buildSteps([step('ENV', ...args)], BASE)

it.each([
  ['ENV A="x"', ['A', '"x"'], { A: 'x' }],
  ['ENV PATH="/opt:$PATH"', ['PATH', '"/opt:$PATH"'], { PATH: '/opt:/bin' }],
  ['ENV A="x y"', ['A="x', 'y"'], { A: 'x y' }],
  ['ENV A=x\\ y', ['A=x', 'y'], { A: 'x y' }],
  ['ENV A=""', ['A', '""'], { A: '' }],
  ['ENV A="say \\"$A\\""', ['A', '"say\\"$A\\""'], { A: 'say"a"' }],
  ['ENV A="b" C="d"', ['A', '"b"', 'C', '"d"'], { A: 'b', C: 'd' }],
  ['what has quotes inside', ['A', '{"a":1}', 'C', '"a" "b"'], { A: '{"a":1}', C: '"a" "b"' }],
])('%s is as in a Dockerfile', (_, args, is) => {
  expect(env(...args)).toEqual([{ type: 'env', env: is }])
})

it('a value of which the client has lost a part is refused', () => {
  expect(() => env('A', '"x', 'B', 'z')).toThrow('the value of A has a quote without an end')
})

it('directories and accounts may be in quotes', () => {
  const steps = buildSteps([step('WORKDIR', '"/app"'), step('USER', '"root"')], BASE)
  expect(steps).toContainEqual({ type: 'workdir', path: '/app' })
  expect(steps).toContainEqual({ type: 'user', user: 'root' })
})

it.each([
  ['["echo", "a  b", "it\'s $HOME"]', `'echo' 'a  b' 'it'\\''s $HOME'`],
  ['[ "$A" = "b" ]', '[ "$A" = "b" ]'],
  ['["echo", 1]', '["echo", 1]'],
  ['[]', '[]'],
  ['["sh","-c","echo "q""]', '["sh","-c","echo "q""]'],
])('RUN %s runs %s', (said, command) => {
  expect(buildSteps([step('RUN', said)], BASE)).toEqual([{ type: 'run', command }])
})
