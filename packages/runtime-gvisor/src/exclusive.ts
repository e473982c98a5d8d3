import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * A lock that the kernel lets go of when the process ends, however it ends: an abstract unix socket. Its names are those
 * of one network namespace, just like the names of links and tables that it guards here.
 */
export class Exclusive {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  /** `null` if somebody else holds it and goes on doing so for `waitMs`. */
  static async take(name: string, waitMs: number): Promise<Exclusive | null> {
    const path = `\0spawnpoint-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`
    const deadline = performance.now() + waitMs
    for (;;) {
      const server = await listen(path)
      if (server) return new Exclusive(server)
      if (performance.now() >= deadline) return null
      await sleep(20)
    }
  }

  async release(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

function listen(path: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null)
      else reject(error)
    })
    server.listen(path, () => {
      server.unref()
      resolve(server)
    })
  })
}
