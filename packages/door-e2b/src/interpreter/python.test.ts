import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { adoptSandbox, resetVariables, setVariables } from './python.ts'
import { describeResults } from './result-formatters.ts'

/** The environment after the code has run in a Python that began with `env`. */
function after(code: string[], env: Record<string, string>): Record<string, string> {
  const program = [
    ...code,
    'import os, json; print(json.dumps({k: v for k, v in os.environ.items() if k[:2] == "X_"}))',
  ]
  return JSON.parse(execFileSync('python3', ['-c', program.join('\n')], { env, encoding: 'utf8' }))
}

const HARD = { X_QUOTES: `'"\\ \n\t\u0001`, X_WORDS: 'größe 🎉 \u2028', X_EMPTY: '', 'X_-.': "');raise" }

it('sets variables to whatever they are', () => {
  expect(after([setVariables(HARD)], {})).toEqual(HARD)
})

it('puts them back to the sandbox’s own, or removes them', () => {
  const code = [setVariables({ X_A: '2', X_B: '2' }), resetVariables(['X_A', 'X_B', 'X_NONE'], { X_A: '1' })]
  expect(after(code, { X_A: '1', X_C: '3' })).toEqual({ X_A: '1', X_C: '3' })
})

it('takes on a sandbox’s environment once', () => {
  const adopt = adoptSandbox('X_ID', { X_ID: 'clone', X_A: '1' })
  expect(after([adopt], { X_ID: 'origin', X_A: '0', X_B: 'kept' })).toEqual({ X_ID: 'clone', X_A: '1', X_B: 'kept' })
  expect(after([adopt], { X_ID: 'clone', X_A: 'changed since' })).toMatchObject({ X_A: 'changed since' })
})

it('gives a kernel that has run nothing yet random numbers of its own', () => {
  const kernel = (count: number) => [
    'import random, sys, types',
    `kernel = types.SimpleNamespace(execution_count=${count})`,
    "sys.modules['IPython'] = types.SimpleNamespace(get_ipython=lambda: kernel)",
    'random.seed(7)',
    adoptSandbox('X_ID', { X_ID: 'clone' }),
    "import os; os.environ['X_RANDOM'] = str(random.random())",
  ]
  const [fresh, again, used] = [kernel(1), kernel(1), kernel(2)].map((code) => after(code, {}).X_RANDOM)
  expect(fresh).not.toBe(again)
  expect(used).toMatch(/^0\.32383/)
})

it('leaves no name behind', () => {
  const names = ['before = set(dir())', setVariables({ X_A: '1' }), resetVariables(['X_A'], {}), describeResults()]
  expect(after([...names, 'assert set(dir()) - before == {"before"}'], {})).toEqual({})
})
