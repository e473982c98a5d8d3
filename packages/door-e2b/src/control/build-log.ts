import type { BuildLogEntry, Image, Principal, SpawnpointApi } from '@spawnpoint/core'
import { wholeLog } from './builds.ts'
import { PROVISION_STEPS } from './provision.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LEVELS)[number]
export const logLevels: readonly LogLevel[] = LEVELS

export function isAtLeast(entry: BuildLogEntry, level: LogLevel): boolean {
  return LEVELS.indexOf(entry.level) >= LEVELS.indexOf(level)
}

export function logEntryJson(image: Image, { at, level, message, step }: BuildLogEntry) {
  const shown = shownStep(image, step)
  return { timestamp: at.toISOString(), level, message, ...(shown === null ? {} : { step: shown }) }
}

/** Why a build failed; the step is one of those that the client sent. */
export async function reasonJson(api: SpawnpointApi, by: Principal, image: Image) {
  const last = (await wholeLog(api, by, image)).findLast(({ level }) => level === 'error')
  const message = last?.message ?? image.failure ?? 'The build failed'
  if (last === undefined) return { message, logEntries: [] }
  const entry = logEntryJson(image, last)
  return { message, ...('step' in entry ? { step: entry.step } : {}), logEntries: [entry] }
}

/** What the server adds to a recipe belongs to its base. */
function shownStep(image: Image, step: string | null): string | null {
  if (step === null || !/^\d+$/.test(step)) return step
  const number = Number(step) - addedSteps(image)
  return number < 1 ? 'base' : String(number)
}

function addedSteps({ source }: Image): number {
  if (source.type !== 'recipe') return 0
  const [first] = source.steps
  const [provision] = PROVISION_STEPS
  return first?.type === 'run' && provision.type === 'run' && first.command === provision.command
    ? PROVISION_STEPS.length
    : 0
}
