import { execFileSync } from 'node:child_process'
import { constants, mkdtempSync, openSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeText, FrameParser, type FrameType, frameType } from '../src/frames.ts'
import { type OpenedGuest, openGuest } from '../src/index.ts'

/** A guest that lies: it reads what the host sends and answers by script. */
export class FakeAgent {
  readonly toGuest: string
  readonly fromGuest: string
  readonly requests: { id: number; method: string; params: Record<string, unknown> }[] = []
  /** Called for every request but `hello` */
  answer: (id: number, method: string) => void = () => {}
  /** Called for every credit */
  credited: (id: number) => void = () => {}
  readonly frames: { type: number; id: number }[] = []
  readonly #dir = mkdtempSync(join(tmpdir(), 'spawnpoint-fake-'))
  readonly #input: Socket
  readonly #output: Socket

  constructor(hello: unknown = { agent: '9', protocol: 1, capabilities: [] }) {
    this.toGuest = join(this.#dir, 'to')
    this.fromGuest = join(this.#dir, 'from')
    execFileSync('mkfifo', [this.toGuest, this.fromGuest])
    const open = (path: string) => openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    this.#input = new Socket({ fd: open(this.toGuest), readable: true, writable: false })
    this.#output = new Socket({ fd: open(this.fromGuest), readable: false, writable: true })
    const parser = new FrameParser()
    let behindMarker = false
    let before = Buffer.alloc(0)
    this.#input.on('data', (chunk: Buffer) => {
      if (!behindMarker) {
        before = Buffer.concat([before, chunk])
        const at = before.indexOf('SPAWNPOINT-MARK')
        if (at < 0 || before.length < at + 31) return
        behindMarker = true
        this.raw(before.subarray(at - 1, at + 31))
        chunk = before.subarray(at + 31)
      }
      parser.push(chunk, (type, _flags, id, payload) => {
        this.frames.push({ type, id })
        if (type === frameType.credit) this.credited(id)
        if (type !== frameType.request) return
        const { method, params } = JSON.parse(payload.toString())
        this.requests.push({ id, method, params })
        if (method === 'hello') this.say(frameType.result, 2, id, hello)
        else this.answer(id, method)
      })
    })
  }

  /** Reads nothing any more. */
  deafen(): void {
    this.#input.pause()
  }

  /** Reads again. */
  wake(): void {
    this.#input.resume()
  }

  raw(bytes: Uint8Array): void {
    this.#output.write(bytes)
  }

  say(type: FrameType, flags: number, id: number, value: unknown): void {
    this.raw(Buffer.concat(encodeText(type, flags, id, Buffer.from(JSON.stringify(value)))))
  }

  open(timeouts = {}): Promise<OpenedGuest> {
    return openGuest({ toGuest: this.toGuest, fromGuest: this.fromGuest, label: 'liar', timeouts })
  }

  close(): void {
    this.#input.destroy()
    this.#output.destroy()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
