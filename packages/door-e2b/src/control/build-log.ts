import type { BuildLogEntry, Image, Principal, SpawnpointApi } from '@spawnpoint/core'
import type { BuildProgress } from './build-start.ts'
import { wholeLog } from './builds.ts'
import { isContainerImage } from './container-image.ts'
import { ownNumber } from './provision.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LEVELS)[number]
export const logLevels: readonly LogLevel[] = LEVELS

export interface BuildLogJson {
  timestamp: string
  level: LogLevel
  message: string
  step?: string
}

export function isAtLeast(entry: { level: LogLevel }, level: LogLevel): boolean {
  return LEVELS.indexOf(entry.level) >= LEVELS.indexOf(level)
}

function logEntryJson(image: Image, { at, level, message, step }: BuildLogEntry): BuildLogJson {
  const shown = shownStep(image, step)
  const text =
    level === 'error' ? message.replace(STEP_NAMED, (_, number: string) => stepNamed(image, number)) : message
  return { timestamp: at.toISOString(), level, message: text, ...(shown === null ? {} : { step: shown }) }
}

/** How errors of builds name the step that they are about, by its number in the recipe. */
const STEP_NAMED = /^Step (\d+)(?= )/

function stepNamed(image: Image, number: string): string {
  const shown = shownStep(image, number)
  return shown === 'base' ? 'The preparation of the container image' : `Step ${shown}`
}

/** Entries of a build from number `offset` on, those of the fetch before it first. */
export async function buildLog(
  api: SpawnpointApi,
  by: Principal,
  { image, fetched }: BuildProgress,
  { offset, limit }: { offset: number; limit: number },
): Promise<BuildLogJson[]> {
  const before = fetched === null ? [] : await wholeLog(api, by, fetched)
  if (fetched !== null && offset < before.length)
    return before.slice(offset, offset + limit).map((entry) => logEntryJson(fetched, entry))
  if (image === null) return []
  const entries = await api.images.log(by, image.id, { offset: offset - before.length, limit })
  return entries.map((entry) => logEntryJson(image, entry))
}

/** Why a build failed; the step is one of those that the client sent. */
export async function reasonJson(api: SpawnpointApi, by: Principal, image: Image) {
  const last = (await wholeLog(api, by, image)).findLast(({ level }) => level === 'error')
  const entry = last === undefined ? null : logEntryJson(image, last)
  const step = entry?.step ?? (isContainerImage(image) ? 'base' : undefined)
  return {
    message: entry?.message ?? image.failure ?? 'The build failed',
    ...(step === undefined ? {} : { step }),
    logEntries: entry === null ? [] : [entry],
  }
}

/** What the server adds to a recipe belongs to its base. */
function shownStep(image: Image, step: string | null): string | null {
  if (step === null || !/^\d+$/.test(step)) return step
  const { source } = image
  const number = source.type === 'recipe' ? ownNumber(source.steps, Number(step)) : Number(step)
  return number < 1 ? 'base' : String(number)
}
