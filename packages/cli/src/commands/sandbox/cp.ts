import type { Command } from 'commander'
import { UsageError } from '../../exit.ts'
import { formatBytes } from '../../output/units.ts'
import { download } from '../../transfer/download.ts'
import { type Place, parsePlace } from '../../transfer/place.ts'
import { upload } from '../../transfer/upload.ts'
import { verb } from '../../verb.ts'

export function addCp(parent: Command): void {
  verb(
    parent,
    'cp <from> <to>',
    'copy files and directories between here and a sandbox',
    async (cli, options, fromText: string, toText: string) => {
      const from = parsePlace(fromText)
      const to = parsePlace(toText)
      const { sandbox: ref, path } = remoteOf(from, to)
      const sandbox = await cli.client.sandboxes.get(ref)
      const copied =
        from.sandbox === null
          ? await upload(sandbox, from.path, path, options.user)
          : await download(sandbox, path, to.path, options.user)
      if (from.path === '-' || to.path === '-') return
      if (cli.json) await cli.print(copied, () => '')
      else if (process.stderr.isTTY) {
        await cli.note(`${copied.files} ${copied.files === 1 ? 'file' : 'files'}, ${formatBytes(copied.bytes)}`)
      }
    },
    (command) =>
      command.option('-u, --user <user>', 'user whose files they are inside').addHelpText(
        'after',
        `
A place in a sandbox is written SANDBOX:PATH; - is stdin or stdout.
  spawnpoint sandbox cp notes.txt box:/srv/          into a directory
  spawnpoint sandbox cp box:/srv/data ./backup       a directory with everything in it
  spawnpoint sandbox cp box:/etc/hosts -             to stdout
  spawnpoint sandbox cp ./dir/. box:/srv             what is in the directory, without the directory`,
      ),
  )
}

function remoteOf(from: Place, to: Place): { sandbox: string; path: string } {
  if ((from.sandbox === null) === (to.sandbox === null)) {
    throw new UsageError('one place must be in a sandbox, written SANDBOX:PATH, and the other here')
  }
  return (from.sandbox === null ? to : from) as { sandbox: string; path: string }
}
