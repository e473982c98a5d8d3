import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import type { BuildStep, Recipe, Spawnpoint } from 'spawnpoint'
import { UsageError } from '../exit.ts'
import { tarOf } from './tar.ts'

/** A copy step may name files that are here, relative to the recipe; they are sent before the build. */
type LocalCopy = Omit<Extract<BuildStep, { type: 'copy' }>, 'blob' | 'source'> & { local: string; source?: string }

interface RecipeFile extends Omit<Recipe, 'type' | 'steps'> {
  steps?: (BuildStep | LocalCopy)[]
}

/** Reads a recipe from a JSON file and sends what its copy steps need. Throws `UsageError`. */
export async function loadRecipe(client: Spawnpoint, path: string): Promise<Recipe> {
  const recipe = parse(path, await read(path))
  const steps: BuildStep[] = []
  for (const step of recipe.steps ?? []) {
    steps.push(isLocal(step) ? await send(client, resolve(dirname(path), step.local), step) : step)
  }
  return { ...recipe, type: 'recipe', steps }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : error}`)
  }
}

/** The server checks what it says; here it must only be an object with a list of steps. */
function parse(path: string, text: string): RecipeFile {
  let recipe: unknown
  try {
    recipe = JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${path} is not JSON: ${error instanceof Error ? error.message : error}`)
  }
  const steps: unknown = isObject(recipe) ? (recipe.steps ?? []) : null
  if (!isObject(recipe) || typeof recipe.from !== 'string' || !Array.isArray(steps) || !steps.every(isObject))
    throw new UsageError(`${path} is not a recipe: { "from": "IMAGE", "steps": [ … ] }`)
  return recipe as unknown as RecipeFile
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isLocal(step: BuildStep | LocalCopy): step is LocalCopy {
  return 'local' in step && typeof step.local === 'string'
}

/** Read twice: what the server has already need not be sent, and what is sent need not fit into memory. */
async function send(client: Spawnpoint, path: string, { local: _, ...step }: LocalCopy): Promise<BuildStep> {
  const hash = createHash('sha256')
  for await (const chunk of tarOf(path)) hash.update(chunk)
  const blob = `sha256:${hash.digest('hex')}`
  if (!(await client.blobs.has(blob))) await client.blobs.put(blob, tarOf(path))
  const name = escaped(basename(path))
  return { ...step, blob, source: step.source === undefined ? name : `${name}/${step.source}` }
}

/** A name, where patterns are understood. */
function escaped(name: string): string {
  return name.replace(/[*?[\\]/g, '\\$&')
}
