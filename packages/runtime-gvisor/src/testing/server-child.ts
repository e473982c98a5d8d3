import { setTimeout as sleep } from 'node:timers/promises'
import type { IncarnationSpec } from '@spawnpoint/core'
import { GvisorRuntime } from '../gvisor-runtime.ts'

/**
 * A server to be killed: opens a runtime with the options given as JSON, starts each sandbox given, or prepares
 * it, says `up`, and does what it is told until it dies.
 */
const [options, specs] = JSON.parse(process.argv[2] as string)
const runtime = new GvisorRuntime(options)
await runtime.open()
console.log('open')
const begin = (spec: IncarnationSpec) =>
  process.argv[3] === 'prepare' ? runtime.prepare(spec, null) : runtime.start(spec)
await Promise.all(specs.map(begin))
console.log('up')
if (process.argv[3]?.startsWith('expect ')) {
  await runtime.expectCheckpoint(specs[0].id, process.argv[3].slice('expect '.length))
  console.log('expecting')
}
if (process.argv[3] === 'pause') {
  await runtime.pause(specs[0].id)
  console.log('paused')
}
await sleep(3_600_000)
