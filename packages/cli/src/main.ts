import { Command, CommanderError } from 'commander'
import { exitOnBrokenPipe } from './broken-pipe.ts'
import { addAudit } from './commands/audit.ts'
import { addDiff } from './commands/diff.ts'
import { addEvents } from './commands/events.ts'
import { addHelp } from './commands/help.ts'
import { addImage } from './commands/image/index.ts'
import { addKey } from './commands/key/index.ts'
import { addMcp } from './commands/mcp.ts'
import { addOperation } from './commands/operation/index.ts'
import { addRegistry } from './commands/registry/index.ts'
import { addSandbox } from './commands/sandbox/index.ts'
import { addSchedule } from './commands/schedule/index.ts'
import { addSecret } from './commands/secret/index.ts'
import { addServe } from './commands/serve.ts'
import { addSnapshot } from './commands/snapshot/index.ts'
import { addStorage } from './commands/storage.ts'
import { addTeam } from './commands/team/index.ts'
import { addTls } from './commands/tls.ts'
import { addUsage } from './commands/usage.ts'
import { addVolume } from './commands/volume/index.ts'
import { report, USAGE } from './exit.ts'

const START = `
A first sandbox, once a server runs (script/up, or: spawnpoint serve):
  spawnpoint image build base
  spawnpoint sandbox create base -n box
  spawnpoint sandbox shell box
  spawnpoint snapshot create box -n ready
  spawnpoint snapshot spawn ready --count 3

The server is --url or SPAWNPOINT_URL, else http://127.0.0.1:7300; the key SPAWNPOINT_API_KEY, else what a server
on this machine keeps in admin.key of SPAWNPOINT_DATA_DIR. Every command takes --json, and tells more with --help.`

export function program(json = false): Command {
  const root = new Command('spawnpoint')
    .description('Sandboxes that can be snapshotted, forked and rolled back while they run.')
    .version('0.1.0')
    // What follows the command of `exec` belongs to that command.
    .enablePositionalOptions()
    .addHelpText('after', START)
    .exitOverride()
  // Before the commands are added, which take this over.
  if (json) root.configureOutput({ outputError: (text, write) => write(usageLine(text)) })
  else root.showHelpAfterError('(add --help for what there is)')
  addServe(root)
  addImage(root)
  addSandbox(root)
  addSnapshot(root)
  addDiff(root)
  addOperation(root)
  addEvents(root)
  addRegistry(root)
  addSecret(root)
  addSchedule(root)
  addStorage(root)
  addVolume(root)
  addKey(root)
  addTeam(root)
  addUsage(root)
  addAudit(root)
  addTls(root)
  addMcp(root)
  addHelp(root)
  return root
}

/** What commander says of a wrong command line, as a program reads errors. */
function usageLine(text: string): string {
  const message = text
    .trim()
    .replace(/^error: /, '')
    .replaceAll('\n', ' ')
  return `${JSON.stringify({ error: { code: 'usage', message } })}\n`
}

async function main(argv: string[]): Promise<void> {
  exitOnBrokenPipe()
  const beforeDashes = argv.slice(0, argv.indexOf('--') < 0 ? undefined : argv.indexOf('--'))
  const json = beforeDashes.includes('--json')
  try {
    await program(json).parseAsync(argv, { from: 'user' })
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // It has said what it had to say; help and version are no errors.
      process.exitCode = thrown.exitCode === 0 ? 0 : USAGE
      return
    }
    process.exitCode = report(thrown, (text) => process.stderr.write(text), json)
  }
}

await main(process.argv.slice(2))
// A stdin that is still being read, or an idle connection, must not keep a finished program alive.
process.exit()
