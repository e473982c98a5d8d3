import { useLauncher } from '@spawnpoint/host-commands'
import { pino } from 'pino'
import { optionsOf } from './arguments.ts'
import { configFrom, type ServerConfig, type ServerOptions } from './config.ts'
import { explain } from './explain.ts'
import { startServer } from './server.ts'
import { standardError } from './standard-error.ts'

/** `spawnpoint serve`: runs until SIGINT or SIGTERM; sandboxes run on after it. Resolves with the exit status. */
export async function serve(options: ServerOptions): Promise<number> {
  let config: ServerConfig | null = null
  try {
    config = configFrom(options, process.env)
    const log = pino({ level: config.logLevel }, standardError())
    const stop = Promise.withResolvers<string>()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop.resolve)
    using _launcher = await useLauncher()
    await using server = await startServer(config, log)
    const named = server.domain === null ? '' : ` and below ${server.domain}`
    process.stdout.write(`Spawnpoint is serving on ${server.url}${named}\nAdmin key: ${config.dataDir}/admin.key\n`)
    log.info({ signal: await stop.promise }, 'stopping')
    return 0
  } catch (error) {
    const explained = explain(error, config)
    if (explained === null) throw error
    process.stderr.write(`spawnpoint: ${explained}\n`)
    return 1
  }
}

if (import.meta.main) process.exitCode = await serve(optionsOf(process.argv.slice(2)).options)
