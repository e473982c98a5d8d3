import { expect, it } from 'vitest'
import { lineOf } from './output.ts'

const line = (type: string, content: Record<string, unknown>) =>
  lineOf({ header: { msg_type: type, date: 'then' }, parent_header: {}, content })

it('gives every format its name, and others their own', () => {
  const data = {
    ...{ 'text/plain': '<X>', 'text/html': 'h', 'text/markdown': 'm', 'image/svg+xml': 's', 'image/png': 'p' },
    ...{ 'image/jpeg': 'j', 'application/pdf': 'd', 'text/latex': 'l', 'application/javascript': 'c' },
    ...{ 'application/json': { a: [1] }, 'application/x-own': { b: 2 }, toString: 'x' },
  }
  expect(line('display_data', { data })).toEqual({
    ...{ type: 'result', is_main_result: false, text: '<X>', html: 'h', markdown: 'm', svg: 's', png: 'p' },
    ...{ jpeg: 'j', pdf: 'd', latex: 'l', javascript: 'c', json: { a: [1] } },
    extra: { 'application/x-own': { b: 2 }, toString: 'x' },
  })
})

it.each([
  ["'it'", 'it'],
  ['"it\'s"', '"it\'s"'],
  ["'", "'"],
  ["''", ''],
  ['7', '7'],
])('shows the result %s as %s', (text, shown) => {
  expect(line('execute_result', { data: { 'text/plain': text } })).toMatchObject({ text: shown })
})

it.each([
  ['stream', {}],
  ['stream', { name: 'log', text: 'x' }],
  ['stream', { name: 'stdout', text: ['x'] }],
  ['execute_input', { execution_count: 1.5 }],
  ['execute_result', {}],
  ['execute_result', { data: null }],
  ['status', { execution_state: 'busy' }],
  ['constructor', {}],
])('has no line for %s %j', (type, content) => {
  expect(line(type, content)).toBeNull()
})

it('tells an error whatever it looks like', () => {
  expect(line('error', {})).toEqual({ type: 'error', name: 'Error', value: '', traceback: '' })
  const traceback = ['a', 7, '\u001b[0;31mb\u001b[0m']
  expect(line('error', { ename: 'E', evalue: 'v', traceback })).toEqual({
    ...{ type: 'error', name: 'E', value: 'v', traceback: 'a\nb' },
  })
  expect(line('execute_result', { data: { 'text/plain': 7, 'image/png': 'p' } })).not.toHaveProperty('text')
})
