import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Cli } from './cli.ts'
import { UsageError } from './exit.ts'

/** From stdin to its end, or asked for on the terminal without being shown. Never an argument, which all users can see. */
export async function readPassword(cli: Cli, fromStdin: boolean): Promise<string> {
  if (fromStdin) return (await text(process.stdin)).replace(/\r?\n$/, '')
  if (!process.stdin.isTTY) throw new UsageError('There is no terminal to ask for the password; use --password-stdin')
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true })
  await cli.write('Password: ', process.stderr)
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('close', () => reject(new UsageError('No password was given')))
    })
  } finally {
    lines.close()
    await cli.write('\n', process.stderr)
  }
}
