import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { scratchDir } from './scratch.ts'

const SOCKET = '.s.PGSQL.5432'

/**
 * A way to a PostgreSQL on which answers get lost: the database has done what was asked, and whoever asked finds the
 * connection gone.
 */
export class LossyProxy implements AsyncDisposable {
  readonly databaseUrl: string
  readonly #open: Map<Socket, { doomed: boolean }>
  readonly #owned: AsyncDisposableStack

  private constructor(databaseUrl: string, open: Map<Socket, { doomed: boolean }>, owned: AsyncDisposableStack) {
    this.databaseUrl = databaseUrl
    this.#open = open
    this.#owned = owned
  }

  /** `databaseUrl` names its socket's folder as `host`. */
  static async to(databaseUrl: string): Promise<LossyProxy> {
    await using undo = new AsyncDisposableStack()
    const scratch = undo.use(await scratchDir())
    const [address = '', query = ''] = databaseUrl.split('?')
    const parameters = new URLSearchParams(query)
    const target = join(parameters.get('host') ?? '', SOCKET)
    parameters.set('host', scratch.path)

    const open = new Map<Socket, { doomed: boolean }>()
    const server = createServer((client) => {
      const state = { doomed: false }
      open.set(client, state)
      const database = createConnection(target)
      client.on('data', (data) => database.write(data))
      database.on('data', (data) => {
        if (state.doomed) client.destroy()
        else client.write(data)
      })
      // It gets what was sent already, and then the end.
      client.on('close', () => {
        open.delete(client)
        database.end()
      })
      database.on('close', () => client.destroy())
      for (const end of [client, database]) end.on('error', () => undefined) // `close` follows
    })
    server.listen(join(scratch.path, SOCKET))
    await once(server, 'listening')
    undo.defer(() => {
      server.close()
      for (const client of open.keys()) client.destroy()
    })
    return new LossyProxy(`${address}?${parameters}`, open, undo.move())
  }

  /** Of one connection, any: the next answer is lost, and the connection with it. */
  loseAnswer(): void {
    const alive = [...this.#open.values()].filter(({ doomed }) => !doomed)
    const one = alive[Math.floor(Math.random() * alive.length)]
    if (one) one.doomed = true
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync()
  }
}
