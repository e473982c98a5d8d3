import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Log } from '../../log.ts'
import {
  addressAnswer,
  failureAnswer,
  type NameQuestion,
  REFUSED,
  readQuestion,
  SERVER_FAILURE,
} from './name-question.ts'

const UPSTREAM_MS = 4_000
/** Under way for one guest */
const MAX_PENDING = 256
/** Open to one guest, over TCP */
const MAX_CONNECTIONS = 64
const IDLE_MS = 10_000

/** What is asked of this server by one guest. */
export interface NameGuest {
  /** Whether connections to this name are to come to the proxy */
  intercepts(name: string): boolean
  /** Names that nobody is told of */
  refuses(name: string): boolean
  /** Whether this server opens ports of the name's address, by `open`, before it tells it */
  opens(name: string): boolean
  /** An address of the name whose ports are open to the guest now. Rejects if it has none. */
  open(name: string): Promise<string>
  /** Whether names may be asked for at all */
  asksNames: boolean
}

export interface NameServerOptions {
  address: string
  /** What intercepted names are told to lead to */
  answer: string
  resolvers: readonly string[]
  guestAt: (outer: string) => NameGuest | undefined
  log: Log
}

/**
 * Answers what a guest asks of any name server, where its rules need that: the hosts of credential rules are at the proxy, names
 * with ports of their own at an address where these are open then, everything else is passed on as it is, and so is what comes
 * back. Traffic to those others never comes near the proxy.
 */
export class NameServer {
  readonly udpPort: number
  readonly tcpPort: number
  readonly #options: NameServerOptions
  readonly #udp: UdpSocket
  readonly #tcp: Server
  /** With the outer address of whom each is to */
  readonly #connections = new Map<Socket, string>()
  readonly #pending = new Map<string, number>()

  private constructor(options: NameServerOptions, udp: UdpSocket, tcp: Server) {
    this.#options = options
    this.#udp = udp
    this.#tcp = tcp
    this.udpPort = udp.address().port
    this.tcpPort = (tcp.address() as { port: number }).port
    udp.on('message', (message, from) => {
      this.#answerUdp(message, from).catch((error: unknown) =>
        options.log.debug({ error: String(error) }, 'A question for a name was not answered'),
      )
    })
    udp.on('error', (error) => options.log.warn({ error: String(error) }, 'Names cannot be answered'))
    tcp.on('connection', (socket) => {
      this.#converse(socket).catch((error: unknown) => {
        socket.destroy()
        options.log.debug({ error: String(error) }, 'Questions for names were broken off')
      })
    })
  }

  static async open(options: NameServerOptions): Promise<NameServer> {
    const udp = createSocket('udp4')
    udp.bind(0, options.address)
    await once(udp, 'listening')
    const tcp = createServer()
    tcp.listen(0, options.address)
    await once(tcp, 'listening')
    return new NameServer(options, udp, tcp)
  }

  async close(): Promise<void> {
    for (const socket of this.#connections.keys()) socket.destroy()
    await Promise.all([
      new Promise<void>((closed) => this.#udp.close(() => closed())),
      new Promise<void>((closed) => this.#tcp.close(() => closed())),
    ])
  }

  /** Rejects where no answer can be sent: from a guest that names port 0 as its own, or once this is closed. */
  async #answerUdp(message: Buffer, from: RemoteInfo): Promise<void> {
    const answer = await this.#answer(message, from.address, 'udp')
    if (answer !== null) this.#udp.send(answer, from.port, from.address)
  }

  /** `null` for what deserves no answer. */
  async #answer(message: Buffer, outer: string, over: 'udp' | 'tcp'): Promise<Buffer | null> {
    const guest = this.#options.guestAt(outer)
    const question = readQuestion(message)
    if (guest === undefined || question === null) return null
    if (guest.refuses(question.name)) return failureAnswer(message, question, REFUSED)
    const opens = guest.opens(question.name)
    if (!opens && guest.intercepts(question.name)) return addressAnswer(message, question, this.#options.answer)
    if (!guest.asksNames) return failureAnswer(message, question, REFUSED)
    const pending = this.#pending.get(outer) ?? 0
    if (pending >= MAX_PENDING) return null
    this.#pending.set(outer, pending + 1)
    try {
      if (opens) return await this.#opened(message, question, guest)
      for (const resolver of this.#options.resolvers) {
        const answer = await (over === 'udp' ? askUdp(resolver, message) : askTcp(resolver, message))
        if (answer !== null) return answer
      }
      return failureAnswer(message, question, SERVER_FAILURE)
    } finally {
      const left = (this.#pending.get(outer) ?? 1) - 1
      if (left > 0) this.#pending.set(outer, left)
      else this.#pending.delete(outer)
    }
  }

  async #opened(message: Buffer, question: NameQuestion, guest: NameGuest): Promise<Buffer> {
    try {
      return addressAnswer(message, question, await guest.open(question.name))
    } catch (error) {
      this.#options.log.debug({ error: String(error), name: question.name }, 'No port was opened for a name')
      return failureAnswer(message, question, SERVER_FAILURE)
    }
  }

  /** Messages with their length before them. One is answered before the next is read: a guest that sends on waits, not we. */
  async #converse(socket: Socket): Promise<void> {
    socket.on('error', () => socket.destroy())
    const outer = socket.remoteAddress ?? ''
    const open = [...this.#connections.values()].filter((one) => one === outer).length
    if (open >= MAX_CONNECTIONS) return void socket.destroy()
    this.#connections.set(socket, outer)
    socket.once('close', () => this.#connections.delete(socket))
    socket.setTimeout(IDLE_MS, () => socket.destroy())
    let bytes = Buffer.alloc(0)
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      bytes = Buffer.concat([bytes, chunk])
      for (let length = framed(bytes); length !== null; length = framed(bytes)) {
        const answer = await this.#answer(bytes.subarray(2, 2 + length), outer, 'tcp')
        bytes = bytes.subarray(2 + length)
        // Leaving the loop destroys the socket.
        if (answer === null || socket.destroyed) return
        if (!socket.write(withLength(answer))) await once(socket, 'drain')
      }
    }
  }
}

/** Length of the first message if it is all there. */
function framed(bytes: Buffer): number | null {
  if (bytes.length < 2) return null
  const length = bytes.readUInt16BE(0)
  return bytes.length >= 2 + length ? length : null
}

function withLength(message: Buffer): Buffer {
  return Buffer.concat([Buffer.of(message.length >> 8, message.length & 0xff), message])
}

/** `null` if it does not answer. Each question goes out from a port of its own: nobody else can guess where to answer. */
async function askUdp(resolver: string, message: Buffer): Promise<Buffer | null> {
  const socket = createSocket('udp4')
  const answered = Promise.withResolvers<Buffer | null>()
  const timer = setTimeout(() => answered.resolve(null), UPSTREAM_MS)
  socket.on('error', () => answered.resolve(null))
  socket.on('message', (answer, from) => {
    if (from.address === resolver && answer.length >= 12 && answer.readUInt16BE(0) === message.readUInt16BE(0))
      answered.resolve(answer)
  })
  socket.send(message, 53, resolver, (error) => error && answered.resolve(null))
  try {
    return await answered.promise
  } finally {
    clearTimeout(timer)
    socket.close()
  }
}

async function askTcp(resolver: string, message: Buffer): Promise<Buffer | null> {
  const socket = connect({ host: resolver, port: 53, timeout: UPSTREAM_MS })
  const answered = Promise.withResolvers<Buffer | null>()
  let bytes = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk])
    const length = framed(bytes)
    if (length !== null) answered.resolve(bytes.subarray(2, 2 + length))
  })
  for (const event of ['timeout', 'error', 'close']) socket.on(event, () => answered.resolve(null))
  socket.write(withLength(message))
  try {
    return await answered.promise
  } finally {
    socket.destroy()
  }
}
