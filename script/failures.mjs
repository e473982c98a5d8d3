// failures.mjs PROJECT REPORT: what failed in vitest's JSON report, with the first lines of why and how long it took.
import { readFileSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'

const [project, report] = process.argv.slice(2)
const LINES = 12
const show = (text) =>
  stripVTControlCharacters(text)
    .split('\n')
    .slice(0, LINES)
    .map((line) => `      ${line}`)
    .join('\n')

for (const file of JSON.parse(readFileSync(report, 'utf8')).testResults) {
  const name = file.name.replace(`${process.cwd()}/`, '')
  const failed = file.assertionResults.filter((test) => test.status === 'failed')
  for (const test of failed) {
    console.log(`FAILED ${project} ${name}: ${test.fullName} (${Math.round(test.duration ?? 0)} ms)`)
    for (const message of test.failureMessages) console.log(show(message))
  }
  if (file.status === 'failed' && failed.length === 0)
    console.log(`FAILED ${project} ${name}\n${show(file.message ?? '')}`)
}
