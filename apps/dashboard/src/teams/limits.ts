import type { LimitsChange, TeamLimits } from 'spawnpoint'
import { durationText, parseDuration, parseSize, sizeText } from '../format.ts'

export type LimitsForm = Record<keyof TeamLimits, string>

/** Empty for no limit. */
export function formOf(limits: TeamLimits | null): LimitsForm {
  const text = (value: number | null | undefined, written: (value: number) => string) =>
    value === null || value === undefined ? '' : written(value)
  return {
    sandboxes: text(limits?.sandboxes, String),
    cpus: text(limits?.cpus, String),
    memoryBytes: text(limits?.memoryBytes, sizeText),
    snapshots: text(limits?.snapshots, String),
    storageBytes: text(limits?.storageBytes, sizeText),
    snapshotRetentionMs: text(limits?.snapshotRetentionMs, durationText),
  }
}

const count = (text: string) => (/^\d{1,9}$/.test(text) ? Number(text) : null)
const PARSERS: Record<keyof TeamLimits, [parse: (text: string) => number | null, hint: string]> = {
  sandboxes: [count, 'A whole number'],
  cpus: [(text) => (/^\d{1,6}(\.\d+)?$/.test(text) ? Number(text) : null), 'A number such as 8 or 1.5'],
  memoryBytes: [parseSize, 'Write 512M or 16G'],
  snapshots: [count, 'A whole number'],
  storageBytes: [parseSize, 'Write 500M or 100G'],
  snapshotRetentionMs: [parseDuration, 'Write 12h or 30d'],
}
const LIMITS = Object.keys(PARSERS) as (keyof TeamLimits)[]

/** What is wrong, by field, or the limits. */
export function limitsOf(form: LimitsForm): { limits: LimitsChange; errors: Partial<LimitsForm> } {
  const limits: LimitsChange = {}
  const errors: Partial<LimitsForm> = {}
  for (const name of LIMITS) {
    const [parse, hint] = PARSERS[name]
    const text = form[name].trim()
    const value = text === '' ? null : parse(text)
    if (text !== '' && value === null) errors[name] = hint
    limits[name] = value
  }
  return { limits, errors }
}
