import { appendFileSync } from 'node:fs'
import { relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

const LINES = 12

/**
 * Reporter for script/test: appends to the file that `SPAWNPOINT_TEST_FAILURES` names what failed and why, so that it can be told
 * once more at the end. Unlike vitest's JSON it knows what went wrong outside of tests, in hooks and while files were loaded.
 */
export default class Failures implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const into = process.env.SPAWNPOINT_TEST_FAILURES
    if (into === undefined) return
    const told = [
      ...modules.flatMap(failuresOf),
      ...unhandled.flatMap((error) => ['FAILED outside of tests', because(error)]),
    ]
    if (told.length > 0) appendFileSync(into, `${told.join('\n')}\n`)
  }
}

function failuresOf(module: TestModule): string[] {
  const file = `FAILED ${module.project.name} ${relative(process.cwd(), module.moduleId)}`
  const told = module.errors().flatMap((error) => [file, because(error)])
  for (const suite of module.children.allSuites())
    for (const error of suite.errors()) told.push(`${file}: a hook of ${suite.fullName}`, because(error))
  for (const test of module.children.allTests('failed')) {
    told.push(`${file}: ${test.fullName} (${Math.round(test.diagnostic()?.duration ?? 0)} ms)`)
    for (const error of test.result().errors ?? []) told.push(because(error))
  }
  return told
}

function because({ name, message, stack = '', diff = '' }: SerializedError & { diff?: string }): string {
  const frames = stack.split('\n').filter((line) => /^ {4}at /.test(line) && !line.includes('/node_modules/'))
  return stripVTControlCharacters([`${name}: ${message}`, diff, ...frames].join('\n'))
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(0, LINES)
    .map((line) => `      ${line}`)
    .join('\n')
}
