import { SpawnpointError } from '@spawnpoint/core'
import { pino } from 'pino'
import { configFrom } from './config.ts'
import { startServer } from './server.ts'

/** `spawnpoint serve`: runs until SIGINT or SIGTERM; sandboxes run on after it. Resolves with the exit status. */
export async function serve(options: {
  dataDir?: string | undefined
  port?: string | undefined
  host?: string | undefined
}): Promise<number> {
  try {
    const config = configFrom(options, process.env)
    const log = pino({ level: config.logLevel }, pino.destination({ fd: 2, sync: true }))
    const stop = Promise.withResolvers<string>()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop.resolve)
    await using server = await startServer(config, log)
    process.stdout.write(`Spawnpoint is serving on ${server.url}\nAdmin key: ${config.dataDir}/admin.key\n`)
    log.info({ signal: await stop.promise }, 'stopping')
    return 0
  } catch (error) {
    if (!(error instanceof SpawnpointError)) throw error
    process.stderr.write(`spawnpoint: ${error.message}\n`)
    return 1
  }
}

if (import.meta.main) {
  const { values } = (await import('node:util')).parseArgs({
    options: { 'data-dir': { type: 'string' }, port: { type: 'string' }, host: { type: 'string' } },
  })
  process.exitCode = await serve({ dataDir: values['data-dir'], port: values.port, host: values.host })
}
