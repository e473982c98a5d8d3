import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { expect, it } from 'vitest'

it('does not end a server that logs to a full disk', () => {
  const script = `
    import { pino } from 'pino'
    import { standardError } from './src/standard-error.ts'
    const log = pino({ level: 'info' }, standardError())
    for (const line of ['one', 'two']) log.info(line)
    console.log('alive')
  `
  const full = openSync('/dev/full', 'w')
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script]
  const cwd = `${import.meta.dirname}/..`
  const { stdout, status } = spawnSync(process.execPath, args, {
    cwd,
    stdio: ['ignore', 'pipe', full],
    encoding: 'utf8',
  })
  closeSync(full)
  expect([stdout, status]).toEqual(['alive\n', 0])
})
