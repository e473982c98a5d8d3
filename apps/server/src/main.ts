import { pino } from 'pino'
import { configFrom, type ServerConfig } from './config.ts'
import { explain } from './explain.ts'
import { startServer } from './server.ts'

/** `spawnpoint serve`: runs until SIGINT or SIGTERM; sandboxes run on after it. Resolves with the exit status. */
export async function serve(options: {
  dataDir?: string | undefined
  port?: string | undefined
  host?: string | undefined
}): Promise<number> {
  let config: ServerConfig | null = null
  try {
    config = configFrom(options, process.env)
    const log = pino({ level: config.logLevel }, pino.destination({ fd: 2, sync: true }))
    const stop = Promise.withResolvers<string>()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop.resolve)
    await using server = await startServer(config, log)
    process.stdout.write(`Spawnpoint is serving on ${server.url}\nAdmin key: ${config.dataDir}/admin.key\n`)
    log.info({ signal: await stop.promise }, 'stopping')
    return 0
  } catch (error) {
    const explained = explain(error, config)
    if (explained === null) throw error
    process.stderr.write(`spawnpoint: ${explained}\n`)
    return 1
  }
}

if (import.meta.main) {
  const { values } = (await import('node:util')).parseArgs({
    options: { 'data-dir': { type: 'string' }, port: { type: 'string' }, host: { type: 'string' } },
  })
  process.exitCode = await serve({ dataDir: values['data-dir'], port: values.port, host: values.host })
}
