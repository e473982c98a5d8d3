import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { errorFromServer, SERVER_ERROR_CODES, SpawnpointError } from './errors.ts'

test('every code of the server has its class', () => {
  const source = readFileSync(new URL('../../core/src/errors.ts', import.meta.url), 'utf8')
  const contexts = /export interface ErrorContexts \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? ''
  const codes = [...contexts.matchAll(/^ {2}(\w+): /gm)].map((match) => match[1])
  expect(codes.length).toBeGreaterThan(20)
  expect(SERVER_ERROR_CODES.toSorted()).toEqual(codes.toSorted())
})

test('every class is a SpawnpointError with its own name', () => {
  for (const code of SERVER_ERROR_CODES) {
    const error = errorFromServer(code, 'text', {}, { status: 400 })
    expect(error).toBeInstanceOf(SpawnpointError)
    expect(error.code).toBe(code)
    expect(error.name).toMatch(/^[A-Z]\w+Error$/)
  }
})
