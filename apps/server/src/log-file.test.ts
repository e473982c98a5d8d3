import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, expect, it } from 'vitest'
import { LogFile } from './log-file.ts'

const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-log-'))
afterAll(() => rmSync(dir, { recursive: true }))
const linesOf = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n')

it('goes on where an earlier server left it, and keeps one more of what became too long', () => {
  const path = join(dir, 'new', 'server.log')
  const write = (lines: string[]) => {
    using file = new LogFile(path, 12)
    for (const line of lines) file.write(`${line}\n`)
  }
  write(['one'])
  write(['two', 'three'])
  expect(linesOf(path)).toEqual(['three'])
  expect(linesOf(`${path}.1`)).toEqual(['one', 'two'])
  write(['a line that is too long by itself', 'four'])
  expect(linesOf(path)).toEqual(['four'])
  expect(linesOf(`${path}.1`)).toEqual(['a line that is too long by itself'])
  expect(readdirSync(join(dir, 'new')).sort()).toEqual(['server.log', 'server.log.1'])
})

it('has every line of whoever logs to it', () => {
  const path = join(dir, 'logged.log')
  using file = new LogFile(path)
  const log = pino({ level: 'info' }, file)
  log.info('first')
  log.warn({ code: 1 }, 'second')
  expect(linesOf(path).map((line) => JSON.parse(line))).toMatchObject([{ msg: 'first' }, { msg: 'second', code: 1 }])
})

it('does not fail on a full disk', () => {
  using file = new LogFile('/dev/full')
  file.write('lost\n')
})
