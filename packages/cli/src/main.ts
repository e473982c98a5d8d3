import { Command, CommanderError } from 'commander'
import { exitOnBrokenPipe } from './broken-pipe.ts'
import { addAudit } from './commands/audit.ts'
import { addDiff } from './commands/diff.ts'
import { addEvents } from './commands/events.ts'
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

export function program(): Command {
  const root = new Command('spawnpoint')
    .description('Sandboxes that can be snapshotted, forked and rolled back while they run.')
    .version('0.1.0')
    // What follows the command of `exec` belongs to that command.
    .enablePositionalOptions()
    .addHelpText('after', START)
    .showHelpAfterError('(add --help for what there is)')
    .exitOverride()
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
  return root
}

async function main(argv: string[]): Promise<void> {
  exitOnBrokenPipe()
  const beforeDashes = argv.slice(0, argv.indexOf('--') < 0 ? undefined : argv.indexOf('--'))
  try {
    await program().parseAsync(argv, { from: 'user' })
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // It has said what it had to say; help and version are no errors.
      process.exitCode = thrown.exitCode === 0 ? 0 : USAGE
      return
    }
    process.exitCode = report(thrown, (text) => process.stderr.write(text), beforeDashes.includes('--json'))
  }
}

await main(process.argv.slice(2))
// A stdin that is still being read, or an idle connection, must not keep a finished program alive.
process.exit()
