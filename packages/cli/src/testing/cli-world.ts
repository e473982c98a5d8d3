import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Sandbox, Spawnpoint } from 'spawnpoint'
import { openServerWorld, type ServerWorld } from 'spawnpoint/testing'
import { type Finished, RunningCli } from './run-cli.ts'

/** A server, a directory, a sandbox named `box`, and the command. */
export interface CliWorld extends AsyncDisposable {
  server: ServerWorld
  client: Spawnpoint
  directory: string
  box: Sandbox
  start(...args: string[]): RunningCli
  cli(...args: string[]): Promise<Finished>
  /** Runs it, expects success and returns what it printed. */
  out(...args: string[]): Promise<string>
}

export async function openCliWorld(): Promise<CliWorld> {
  const server = await openServerWorld()
  const client = new Spawnpoint({ url: server.url, apiKey: server.key })
  const directory = await mkdtemp(join(process.env.TMPDIR ?? '/tmp', 'spawnpoint-cli-'))
  const box = await client.sandboxes.create({ image: 'base', name: 'box' })
  const start = (...args: string[]) =>
    new RunningCli(args, { SPAWNPOINT_URL: server.url, SPAWNPOINT_API_KEY: server.key })
  return {
    server,
    client,
    directory,
    box,
    start,
    cli: (...args) => start(...args).finish(),
    async out(...args) {
      const { status, stdout, stderr } = await start(...args).finish()
      if (status !== 0) throw new Error(`spawnpoint ${args.join(' ')}: ${status}: ${stderr}`)
      return stdout
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
