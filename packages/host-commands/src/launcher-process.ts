import { runHere } from './command.ts'
import type { Answer, Order } from './orders.ts'

/** The launcher's own program: does as it is told by the process that started it, and ends with it. */

const server = process.ppid
const running = new Map<number, AbortController>()

const say = (answer: Answer) => process.send?.(answer)

async function run({ id, program, args, options }: Extract<Order, { do: 'run' }>): Promise<void> {
  const stop = new AbortController()
  running.set(id, stop)
  try {
    const result = await runHere(program, args, { ...options, signal: stop.signal }, (pid) => say({ id, pid }))
    say({ id, result })
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    say({ id, error: { message, code } })
  } finally {
    running.delete(id)
  }
}

process.on('message', (order: Order) => {
  // What a server that is dead has asked for must not begin when the next one looks what is left.
  if (process.ppid !== server) process.exit(0)
  if (order.do === 'stop') running.get(order.id)?.abort()
  else void run(order)
})
process.once('disconnect', () => process.exit(0))
// Those are for the server, which ends us when it is done with us.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
say({ id: 0, pid: process.pid })
