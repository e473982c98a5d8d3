import type { Census, CensusProcess, Comparison, ListeningPort, MemoryChange } from '../model.ts'

/** What is different in what ran; `null` where that is not known of one of the two. */
export function compareCensus(
  before: Census | null,
  after: Census | null,
): Pick<Comparison, 'processes' | 'ports' | 'memory'> {
  if (before === null || after === null) return { processes: null, ports: null, memory: null }
  const [old, young] = [byIdentity(before.processes), byIdentity(after.processes)]
  return {
    processes: {
      started: after.processes.filter((process) => !old.has(identityOf(process))),
      ended: before.processes.filter((process) => !young.has(identityOf(process))),
    },
    ports: {
      opened: after.ports.filter((port) => !before.ports.some((other) => samePort(port, other))),
      closed: before.ports.filter((port) => !after.ports.some((other) => samePort(port, other))),
    },
    memory: memoryChanges(old, young),
  }
}

/** A pid is used again; begun at the same moment of the same kernel, it is the same process, whatever it runs now. */
function identityOf({ pid, startTicks }: CensusProcess): string {
  return `${pid} ${startTicks}`
}

function byIdentity(processes: CensusProcess[]): Map<string, CensusProcess> {
  return new Map(processes.map((process) => [identityOf(process), process]))
}

/** Whoever it is that listens: a server that was started anew has not opened a port. */
function samePort(a: ListeningPort, b: ListeningPort): boolean {
  return a.port === b.port && a.address === b.address
}

function memoryChanges(old: Map<string, CensusProcess>, young: Map<string, CensusProcess>): MemoryChange[] {
  const changes: MemoryChange[] = []
  for (const identity of new Set([...old.keys(), ...young.keys()])) {
    const [before, after] = [old.get(identity), young.get(identity)]
    const named = after ?? before
    if (named === undefined || before?.memoryBytes === after?.memoryBytes) continue
    changes.push({
      pid: named.pid,
      command: named.command,
      bytesBefore: before?.memoryBytes ?? null,
      bytesAfter: after?.memoryBytes ?? null,
    })
  }
  return changes.sort((a, b) => size(b) - size(a) || a.pid - b.pid)
}

function size({ bytesBefore, bytesAfter }: MemoryChange): number {
  return Math.abs((bytesAfter ?? 0) - (bytesBefore ?? 0))
}
