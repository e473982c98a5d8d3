import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { ratioInterval } from './interval.ts'
import type { Aim, Results, Row } from './samples.ts'

export interface Facts {
  date: string
  cpu: string
  cpus: number
  memoryGib: number
  kernel: string
  cgroups: string
  node: string
  runsc: string
  commit: string
  arguments: string[]
}

export function factsOf(runsc: string): Facts {
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    cgroups: readFileSync('/proc/self/cgroup', 'utf8').startsWith('0::') ? 'v2' : 'v1',
    node: process.versions.node,
    runsc,
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
    }).trim(),
    arguments: process.argv.slice(2),
  }
}

const HEADER = ['work', 'by', 'n', 'median ms', 'p99 or max', 'server is']

/** One line per work and side; the last column is the server's median over this one's. */
export function tableOf(rows: readonly Row[]): string[][] {
  return rows.map((row) => {
    const first = rows.find(({ work }) => work === row.work) as Row
    const ratio = first === row ? '' : `${(first.medianMs / row.medianMs).toFixed(2)} ×`
    return [first === row ? row.work : '', row.who, String(row.n), ms(row.medianMs), ms(row.p99Ms), ratio]
  })
}

export function textTable(lines: readonly string[][]): string {
  const all = [HEADER, ...lines]
  const widths = HEADER.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)))
  const pad = (cell: string, column: number) =>
    column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  return all.map((line) => line.map(pad).join('  ').trimEnd()).join('\n')
}

export function markdownTable(lines: readonly string[][]): string {
  return [
    `| ${HEADER.join(' | ')} |`,
    '|---|---|--:|--:|--:|--:|',
    ...lines.map((line) => `| ${line.join(' | ')} |`),
  ].join('\n')
}

export interface Verdict {
  aim: Aim
  /** Ratio, or milliseconds where the aim is absolute */
  value: number
  /** Of a ratio: see `ratioInterval` */
  interval: [number, number] | null
  met: boolean
}

/** Throws where a side of an aim was not measured. */
export function verdicts({ rows, aims }: Results): Verdict[] {
  const find = (work: string, who: string) => {
    const row = rows.find((row) => row.work === work && row.who === who)
    if (row === undefined) throw new Error(`${work} by ${who} was not measured`)
    return row
  }
  return aims.map((aim) => {
    const own = find(aim.work, aim.who)
    const judged = (value: number, interval: Verdict['interval']) => ({
      aim,
      value,
      interval,
      met: value <= aim.atMost,
    })
    if (aim.against === undefined) return judged(own.medianMs, null)
    const other = find(aim.work, aim.against)
    return judged(own.medianMs / other.medianMs, ratioInterval(own.samplesMs, other.samplesMs))
  })
}

export function verdictLine({ aim, value, interval, met }: Verdict): string {
  const unit = aim.against === undefined ? ' ms' : ` × ${aim.against}`
  const within = interval === null ? '' : ` (${interval.map((end) => end.toFixed(2)).join(' to ')})`
  return `${met ? 'met   ' : 'missed'}  ${aim.work}: ${value.toFixed(aim.against === undefined ? 1 : 2)}${unit}${within}, aim ${aim.atMost}${unit}`
}

function ms(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)
}
