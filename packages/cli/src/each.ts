import type { Cli } from './cli.ts'
import { report } from './exit.ts'

/**
 * Does the same to several, going on when one fails. Prints what succeeded; returns the exit status: that of the first
 * failure, else 0.
 */
export async function eachOf(
  cli: Cli,
  refs: readonly string[],
  work: (ref: string) => Promise<unknown>,
): Promise<number> {
  let status = 0
  const done: string[] = []
  for (const ref of refs) {
    try {
      await work(ref)
      done.push(ref)
      if (!cli.json) await cli.write(`${ref}\n`)
    } catch (thrown) {
      const failed = report(thrown, (text) => process.stderr.write(text), cli.json)
      status = status === 0 ? failed : status
    }
  }
  if (cli.json) await cli.print(done, () => '')
  return status
}
