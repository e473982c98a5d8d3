import { renameSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Fault } from './faulty-runsc.ts'

/** Takes the place of a kernel's control socket: passes orders on until it is told to be faulty at one. */
export class ControlStandIn implements AsyncDisposable {
  readonly #path: string
  readonly #server: Server
  readonly #open = new Set<Socket>()
  #fault: { method: string; fault: Fault | 'babble' } | null = null
  /** Orders that it keeps to itself until `pass` is called */
  #waiting: (() => void)[] = []

  private constructor(path: string) {
    this.#path = path
    this.#server = createServer((socket) => this.#serve(socket))
  }

  static async at(path: string): Promise<ControlStandIn> {
    renameSync(path, `${path}.real`)
    const standIn = new ControlStandIn(path)
    await new Promise<void>((resolve) => standIn.#server.listen(path, resolve))
    return standIn
  }

  set(method: 'Pause' | 'Resume' | 'Stacks', fault: Fault | 'babble'): void {
    this.#fault = { method, fault }
  }

  /** Faultless again; what hung goes on. */
  clear(): void {
    this.#fault = null
    for (const go of this.#waiting.splice(0)) go()
  }

  #serve(client: Socket): void {
    this.#open.add(client)
    client.on('error', () => {}) // it went away
    client.once('close', () => this.#open.delete(client))
    client.once('data', (text) => {
      const fault = this.#fault && text.includes(`.${this.#fault.method}"`) ? this.#fault.fault : null
      if (fault === 'hang') this.#waiting.push(() => this.#pass(client, text, (answer) => client.end(answer)))
      else if (fault === 'hang-after') {
        this.#pass(client, text, (answer) => this.#waiting.push(() => client.end(answer)))
      } else if (fault === 'die') client.destroy()
      else if (fault === 'die-after') this.#pass(client, text, () => client.destroy())
      else if (fault === 'fail') client.end('{"success":false,"err":"made to fail"}')
      else if (fault === 'lie') client.end('{"success":true,"result":{}}')
      else if (fault === 'babble') client.end('}{"'.repeat(1000))
      else this.#pass(client, text, (answer) => client.end(answer))
    })
  }

  #pass(client: Socket, text: Buffer | string, then: (answer: string) => void): void {
    const kernel = connect(`${this.#path}.real`)
    this.#open.add(kernel)
    kernel.once('close', () => this.#open.delete(kernel))
    kernel.on('error', () => client.destroy())
    let answer = ''
    kernel.setEncoding('utf8').on('data', (part: string) => {
      answer += part
      if (!isWhole(answer)) return
      kernel.destroy()
      then(answer)
    })
    kernel.write(text)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
    rmSync(this.#path, { force: true })
    renameSync(`${this.#path}.real`, this.#path)
  }
}

function isWhole(answer: string): boolean {
  try {
    JSON.parse(answer)
    return true
  } catch {
    return false
  }
}
