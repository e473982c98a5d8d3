import { setTimeout as sleep } from 'node:timers/promises'
import { GvisorRuntime } from '../gvisor-runtime.ts'

/**
 * A server to be killed: opens a runtime with the options given as JSON, starts each sandbox given, says `up`, and does
 * what it is told until it dies.
 */
const [options, specs] = JSON.parse(process.argv[2] as string)
const runtime = new GvisorRuntime(options)
await runtime.open()
console.log('open')
await Promise.all(specs.map((spec: Parameters<GvisorRuntime['start']>[0]) => runtime.start(spec)))
console.log('up')
if (process.argv[3] === 'pause') {
  await runtime.pause(specs[0].id)
  console.log('paused')
}
await sleep(3_600_000)
