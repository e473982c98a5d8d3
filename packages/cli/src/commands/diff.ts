import type { Command } from 'commander'
import { type Comparison, type FileChange, NotFoundError, type Sandbox, type TextComparison } from 'spawnpoint'
import type { Cli } from '../cli.ts'
import { UsageError } from '../exit.ts'
import { integer } from '../options.ts'
import { printable } from '../output/printable.ts'
import { formatBytes } from '../output/units.ts'
import { verb } from '../verb.ts'

export function addDiff(root: Command): void {
  verb(
    root,
    'diff <snapshot> <other> [file]',
    'what is different in another snapshot, or in a sandbox as it is now; of one file, its text',
    async (cli, { path, limit }, before: string, after: string, file?: string) => {
      const snapshot = await cli.client.snapshots.get(before)
      const options = { path, limit: integer(limit) }
      const sandbox = await sandboxUnlessSnapshot(cli, after)
      if (file === undefined) {
        const found = sandbox === null ? await snapshot.diff(after, options) : await sandbox.diff(snapshot, options)
        return show(cli, found)
      }
      const text = sandbox === null ? await snapshot.diffText(after, file) : await sandbox.diffText(snapshot, file)
      return showText(cli, text)
    },
    (command) =>
      command
        .option('--path <path>', 'only what is at or below this')
        .option('--limit <number>', 'at most so many files of each kind of change, up to 10000', '1000'),
  )
}

/** Throws `UsageError` if it is neither. */
async function sandboxUnlessSnapshot({ client }: Cli, ref: string): Promise<Sandbox | null> {
  const orNull = (thrown: unknown): null => {
    if (thrown instanceof NotFoundError) return null
    throw thrown
  }
  if ((await client.snapshots.get(ref).catch(orNull)) !== null) return null
  const sandbox = await client.sandboxes.get(ref).catch(orNull)
  if (sandbox === null) throw new UsageError(`'${ref}' is neither a snapshot nor a sandbox`)
  return sandbox
}

async function show(cli: Cli, comparison: Comparison): Promise<void> {
  const { files, processes, ports, memory } = comparison
  const lines = [
    ...files.removed.map((change) => cli.paint('red', `- ${named(change)}`)),
    ...files.added.map((change) => cli.paint('green', `+ ${named(change)}`)),
    ...files.changed.map((change) => `${cli.paint('yellow', `~ ${named(change)}`)}  ${change.differs.join(', ')}`),
    ...(processes?.ended ?? []).map(({ pid, command }) => cli.paint('red', `- process ${pid} ${printable(command)}`)),
    ...(processes?.started ?? []).map(({ pid, command }) =>
      cli.paint('green', `+ process ${pid} ${printable(command)}`),
    ),
    ...(ports?.closed ?? []).map(({ port, address }) => cli.paint('red', `- port ${port} on ${address}`)),
    ...(ports?.opened ?? []).map(({ port, address }) => cli.paint('green', `+ port ${port} on ${address}`)),
    ...(memory ?? [])
      .filter(({ bytesBefore, bytesAfter }) => bytesBefore !== null && bytesAfter !== null)
      .map(({ pid, command, bytesBefore, bytesAfter }) => {
        const sizes = `${formatBytes(bytesBefore ?? 0)} -> ${formatBytes(bytesAfter ?? 0)}`
        return `${cli.paint('yellow', `~ memory of ${pid} ${printable(command)}`)}  ${sizes}`
      }),
  ]
  await cli.print(comparison, () => lines.map((line) => `${line}\n`).join(''))
  const { added, removed, changed } = files.counts
  if (files.truncated) await cli.note(`In all ${added} added, ${removed} removed, ${changed} changed; see --limit.`)
  if (files.incomplete !== null) await cli.note('Not everything was compared: it was too much, or too deep.')
  if (processes === null) await cli.note('What ran is not known of one of them.')
  else if (lines.length === 0) await cli.note('No differences.')
}

function named({ path, before, after }: FileChange): string {
  return printable((after ?? before)?.type === 'directory' ? `${path}/` : path)
}

const REASONS: Record<Exclude<TextComparison['outcome'], 'text' | 'same'>, string> = {
  binary: 'They differ, and are no text.',
  not_a_file: 'It is no file in one of them.',
  too_large: 'It is too large for a comparison of text.',
  too_different: 'They have hardly a line in common.',
}

async function showText(cli: Cli, text: TextComparison): Promise<void> {
  const { outcome, unified } = text
  // Lines of a stranger: what could move the cursor becomes visible, tabs and line feeds stay.
  const lines = (unified ?? '').split('\n').map((line) => line.split('\t').map(printable).join('\t'))
  await cli.print(text, () => lines.join('\n'))
  if (outcome === 'same') await cli.note('No differences.')
  else if (outcome !== 'text') await cli.note(REASONS[outcome])
}
