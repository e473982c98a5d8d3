import type { Command } from 'commander'
import { connectionFrom } from '../config.ts'

/** Speaks a protocol on standard output, so it takes no `--json`. */
export function addMcp(parent: Command): void {
  parent
    .command('mcp')
    .description('serve the Model Context Protocol on standard input and output, for an agent that starts it')
    .option('--url <url>', 'address of the server (SPAWNPOINT_URL)')
    .action(async (options: { url?: string }) => {
      // Imported here: every other command does without.
      const { bridge } = await import('../mcp-bridge.ts')
      await bridge(connectionFrom(options, process.env))
    })
}
