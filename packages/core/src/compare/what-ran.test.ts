import { describe, expect, it } from 'vitest'
import type { Census } from '../model.ts'
import { compareCensus } from './what-ran.ts'

const process = (pid: number, command: string, mebibytes: number, startTicks = pid) => ({
  ...{ pid, parentPid: 1, user: 'root', command, memoryBytes: mebibytes * 2 ** 20, startTicks },
})
const census = (processes: Census['processes'], ports: Census['ports'] = []): Census => ({
  ...{ at: new Date(0), processes, ports, truncated: false },
})

describe('what ran in two', () => {
  it('is told by process and port', () => {
    const before = census(
      [process(5, 'server', 10), process(6, 'worker', 3), process(7, 'same', 1)],
      [
        { port: 80, address: '0.0.0.0', pid: 5 },
        { port: 90, address: '::', pid: 6 },
      ],
    )
    const after = census(
      // Of the same pid and another beginning: another process.
      [process(5, 'server', 14), process(6, 'worker', 3, 900), process(7, 'same', 1), process(9, 'new', 2)],
      [
        { port: 80, address: '0.0.0.0', pid: 9 },
        { port: 80, address: '::', pid: 9 },
      ],
    )
    const { processes, ports, memory } = compareCensus(before, after)
    expect(processes?.started.map(({ pid, startTicks }) => [pid, startTicks])).toEqual([
      [6, 900],
      [9, 9],
    ])
    expect(processes?.ended.map(({ pid, startTicks }) => [pid, startTicks])).toEqual([[6, 6]])
    expect(ports).toEqual({
      opened: [{ port: 80, address: '::', pid: 9 }],
      closed: [{ port: 90, address: '::', pid: 6 }],
    })
    expect(memory?.map(({ command, bytesBefore, bytesAfter }) => [command, bytesBefore, bytesAfter])).toEqual([
      ['server', 10 * 2 ** 20, 14 * 2 ** 20],
      ['worker', 3 * 2 ** 20, null],
      ['worker', null, 3 * 2 ** 20],
      ['new', null, 2 * 2 ** 20],
    ])
  })

  it('is not known if it is not known of one', () => {
    const unknown = { processes: null, ports: null, memory: null }
    expect(compareCensus(null, census([]))).toEqual(unknown)
    expect(compareCensus(census([]), null)).toEqual(unknown)
    expect(compareCensus(census([]), census([]))).toEqual({
      ...{ processes: { started: [], ended: [] }, ports: { opened: [], closed: [] }, memory: [] },
    })
  })
})
