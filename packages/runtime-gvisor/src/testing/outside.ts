import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Exclusive } from '../exclusive.ts'

export const OUTSIDE = '198.51.100.2'
export const OUTSIDE_HOST_SIDE = '198.51.100.1'
export const OTHER = '198.51.100.3'
/** Where clouds keep the credentials of their machines */
export const METADATA = '169.254.169.254'
export const ECHO_PORT = 7007

/** Answers each line over TCP with the address it came from, and counts UDP packets by source. */
const SERVER = `
const net = require('node:net'), dgram = require('node:dgram')
net.createServer((s) => {
  s.on('error', () => {})
  s.on('data', (d) => s.write(s.remoteAddress + ' ' + d))
}).listen({ host: '0.0.0.0', port: ${ECHO_PORT} }, () => console.log('ready'))
dgram.createSocket('udp4').on('message', (m, from) => console.log('udp ' + from.address + ' ' + m)).bind(${ECHO_PORT})
`

/** For another test of this machine to be done with its outside, in milliseconds */
const TURN_MS = 150_000
/** Limit of a hook that opens one */
export const OUTSIDE_HOOK_MS = 180_000

/**
 * A machine on "the internet": a namespace behind the host, with addresses that a policy may or may not allow. There is one at a
 * time, since its addresses and routes are the host's.
 */
export class Outside implements AsyncDisposable {
  /** Of its namespace */
  readonly name: string
  readonly #server: ChildProcess
  readonly #turn: Exclusive
  readonly heard: string[] = []

  private constructor(name: string, server: ChildProcess, turn: Exclusive) {
    this.name = name
    this.#server = server
    this.#turn = turn
    server.stdout?.on('data', (data: Buffer) => this.heard.push(...data.toString().trim().split('\n')))
  }

  static async open(): Promise<Outside> {
    const turn = await Exclusive.take('outside of tests', TURN_MS)
    if (turn === null) throw new Error('another test keeps the outside')
    const name = `spt${process.pid}`
    execFileSync('ip', ['netns', 'add', name])
    const host = [
      `link add ${name} type veth peer name eth0 netns ${name}`,
      `addr add ${OUTSIDE_HOST_SIDE}/24 dev ${name}`,
      `link set ${name} up`,
      `route replace ${METADATA}/32 dev ${name}`,
    ]
    const inside = [
      'link set lo up',
      ...[`${OUTSIDE}/24`, `${OTHER}/24`, `${METADATA}/32`].map((address) => `addr add ${address} dev eth0`),
      'link set eth0 up',
      `route add default via ${OUTSIDE_HOST_SIDE}`,
    ]
    execFileSync('ip', ['-batch', '-'], { input: host.join('\n') })
    execFileSync('ip', ['-n', name, '-batch', '-'], { input: inside.join('\n') })
    const args = ['netns', 'exec', name, process.execPath, '-e', SERVER]
    const server = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const outside = new Outside(name, server, turn)
    await once(server.stdout as NodeJS.ReadableStream, 'data')
    return outside
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.kill('SIGKILL')
    await once(this.#server, 'exit')
    execFileSync('ip', ['link', 'delete', this.name])
    execFileSync('ip', ['netns', 'delete', this.name])
    await this.#turn.release()
  }
}
