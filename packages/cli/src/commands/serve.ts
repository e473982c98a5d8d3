import type { Command } from 'commander'

/** Runs the server. Not a client's command, so it takes neither `--json` nor `--url`. */
export function addServe(parent: Command): void {
  parent
    .command('serve')
    .description('run the server')
    .option('--data-dir <dir>', 'where everything is kept (SPAWNPOINT_DATA_DIR, /var/lib/spawnpoint)')
    .option('--port <number>', 'port to listen on (SPAWNPOINT_PORT, 7300)')
    .option('--host <address>', 'address to listen on (SPAWNPOINT_HOST, 127.0.0.1)')
    .option('--domain <domain>', 'names below it are the API and ports of sandboxes (SPAWNPOINT_DOMAIN)')
    .option('--tls-cert <file>', 'certificate for the domain and all names below it (SPAWNPOINT_TLS_CERT)')
    .option('--tls-key <file>', 'its private key (SPAWNPOINT_TLS_KEY)')
    .option('--tls-port <number>', 'port to listen on with TLS (SPAWNPOINT_TLS_PORT, 7443)')
    .action(async (options: Record<string, string>) => {
      // Imported here: the server is ten times the size of everything else in this program.
      const { serve } = await import('@spawnpoint/server/main')
      process.exitCode = await serve(options)
    })
}
