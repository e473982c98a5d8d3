import { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'

const PATIENCE_MS = 60_000

/** One line out, one line back, over the named pipes `in` and `out` of a directory. */
export class Lines {
  readonly #out: Socket
  readonly #in: Socket
  #text = ''
  #wake: (() => void) | null = null

  constructor(dir: string) {
    this.#out = open(`${dir}/in`, { writable: true, readable: false })
    this.#in = open(`${dir}/out`, { readable: true, writable: false })
    this.#in.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text
      this.#wake?.()
    })
  }

  async ask(line: string): Promise<string> {
    this.#out.write(`${line}\n`)
    const timer = setTimeout(() => this.#in.destroy(new Error(`no answer to '${line}'`)), PATIENCE_MS)
    try {
      while (!this.#text.includes('\n')) {
        await new Promise<void>((resolve, reject) => {
          this.#wake = resolve
          this.#in.once('error', reject)
        })
        this.#in.removeAllListeners('error')
      }
    } finally {
      clearTimeout(timer)
    }
    const end = this.#text.indexOf('\n')
    const answer = this.#text.slice(0, end)
    this.#text = this.#text.slice(end + 1)
    return answer
  }

  close(): void {
    this.#in.destroy()
    this.#out.destroy()
  }
}

/** Blocking descriptors, as programs expect, for the container's 0, 1 and 2. */
export function containerStdio(dir: string): { fds: [number, number, number]; close(): void } {
  const fds = ['in', 'out', 'err'].map((name) => openSync(`${dir}/${name}`, constants.O_RDWR)) as [
    number,
    number,
    number,
  ]
  return { fds, close: () => fds.forEach((fd) => void closeSync(fd)) }
}

/** For reading and writing, so that neither side sees an end while the other one comes and goes. */
function open(path: string, direction: { readable: boolean; writable: boolean }): Socket {
  return new Socket({ fd: openSync(path, constants.O_RDWR | constants.O_NONBLOCK), ...direction })
}
