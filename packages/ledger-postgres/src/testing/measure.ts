import { sampleEvent, sampleOperation, sampleSandbox } from '@spawnpoint/contracts/ledger-samples'
import { newId, type SandboxId, type TeamId } from '@spawnpoint/core'
import { PostgresLedger } from '../postgres-ledger.ts'
import { memoryLog, scratchDir } from './scratch.ts'

/** `node measure.ts`: what the embedded ledger costs on this machine, as JSON; milliseconds unless a name says other. */

const teamId = newId<TeamId>()

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

async function times(count: number, work: () => Promise<unknown>): Promise<{ p50: number; p99: number }> {
  const all: number[] = []
  for (let n = 0; n < count; n += 1) all.push(await timed(work))
  all.sort((a, b) => a - b)
  const at = (share: number) => Number((all[Math.floor(all.length * share)] ?? 0).toFixed(3))
  return { p50: at(0.5), p99: at(0.99) }
}

async function perSecond(seconds: number, workers: number, work: () => Promise<unknown>): Promise<number> {
  let done = 0
  const end = performance.now() + seconds * 1000
  const worker = async () => {
    for (; performance.now() < end; done += 1) await work()
  }
  await Promise.all(Array.from({ length: workers }, worker))
  return Math.round(done / seconds)
}

await using scratch = await scratchDir()
await using ledger = new PostgresLedger({ dataDir: scratch.path, log: memoryLog() })
const firstStart = await timed(() => ledger.open())
await ledger.close()
const warmStart = await times(5, async () => {
  await ledger.open()
  await ledger.close()
})
const openOnly: number[] = []
for (let n = 0; n < 5; n += 1) {
  openOnly.push(await timed(() => ledger.open()))
  await ledger.close()
}
await ledger.open()

const ids: SandboxId[] = []
const insert = () => {
  const sandbox = sampleSandbox(teamId)
  ids.push(sandbox.id)
  return ledger.transact((tx) => tx.putSandbox(sandbox))
}
/** What a claim of the core does: row lock, new state, operation, event. */
const claim = () =>
  ledger.transact(async (tx) => {
    const found = await tx.lockSandbox(ids[Math.floor(Math.random() * ids.length)] as SandboxId)
    if (!found) throw new Error('A row is missing')
    await tx.putSandbox({ ...found, generation: found.generation + 1 })
    await tx.putOperation(sampleOperation(teamId, { kind: 'snapshot.create', sandboxId: found.id }))
    await tx.addEvent(sampleEvent(teamId, { sandboxId: found.id }))
  })
const read = () => ledger.read.sandbox(ids[Math.floor(Math.random() * ids.length)] as SandboxId)

await times(300, insert)
const result = {
  firstStart: Math.round(firstStart),
  warmStart: Math.round(openOnly.sort((a, b) => a - b)[2] ?? 0),
  openAndClose: Math.round(warmStart.p50),
  durableInsert: await times(2000, insert),
  claim: await times(1000, claim),
  pointRead: await times(5000, read),
  list100: await times(300, () => ledger.read.sandboxes({ teamId }, { limit: 100 })),
  insertsPerSecond16Way: await perSecond(3, 16, insert),
  claimsPerSecond16WayOneTeam: await perSecond(3, 16, claim),
}
console.log(JSON.stringify(result, null, 2))
