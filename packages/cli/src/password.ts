import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Cli } from './cli.ts'
import { Exit, INTERRUPTED, UsageError } from './exit.ts'

/** From stdin to its end, or asked for on the terminal without being shown. Never an argument, which all users can see. */
export async function readPassword(
  cli: Cli,
  fromStdin: boolean,
  { what, option } = { what: 'password', option: '--password-stdin' },
): Promise<string> {
  if (fromStdin) {
    const given = (await text(process.stdin)).replace(/\r?\n$/, '')
    if (given === '') throw new UsageError(`${option}: stdin has no ${what}`)
    return given
  }
  if (!process.stdin.isTTY) throw new UsageError(`There is no terminal to ask for the ${what}; use ${option}`)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true })
  await cli.write(`${what[0]?.toUpperCase()}${what.slice(1)}: `, process.stderr)
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('SIGINT', () => reject(new Exit(INTERRUPTED)))
      lines.once('close', () => reject(new UsageError(`No ${what} was given`)))
    })
  } finally {
    lines.close()
    await cli.write('\n', process.stderr)
  }
}
