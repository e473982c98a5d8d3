import { afterAll, beforeAll, describe } from 'vitest'
import { WAYS } from '../vendor-world.ts'
import { accessTests } from './code-interpreter/access.ts'
import { codeTests } from './code-interpreter/code.ts'
import { contextTests } from './code-interpreter/contexts.ts'
import { resultTests } from './code-interpreter/results.ts'
import { beginBy, openVendor, sandbox, vendor } from './code-interpreter/shared.ts'
// What is the same whatever way clients come.
import './code-interpreter/languages.ts'
import './code-interpreter/jupyter.ts'

beforeAll(openVendor, 900_000) // the first run builds the image
afterAll(() => vendor[Symbol.asyncDispose]())

// By subject, each in a file; they share the server, and each way its sandbox.
describe.each(WAYS)('the code interpreter, %s', (way) => {
  beforeAll(() => beginBy(way))
  afterAll(() => sandbox.kill())
  codeTests()
  resultTests()
  contextTests()
  accessTests()
})
