import type { BuildImageRequest, Principal } from '../api.ts'
import { invalidArgument, SpawnpointError } from '../errors.ts'
import type { BuildStep, DockerfileSource, RecipeSource } from '../model.ts'
import type { Parts } from '../parts.ts'
import { checkBlobKey } from './blobs.ts'
import { checkEnv } from './checks.ts'

export const RECIPE_LIMITS = {
  steps: 1_000,
  commandChars: 64 * 1024,
  pathChars: 4_096,
  userChars: 128,
  secrets: 64,
  secretBytes: 512 * 1024,
} as const

export function checkRecipe(path: string, recipe: RecipeSource): void {
  checkSteps(`${path}.steps`, recipe.steps)
  if (recipe.startCommand !== undefined) checkCommand(`${path}.startCommand`, recipe.startCommand)
  if (recipe.readyCommand !== undefined) checkCommand(`${path}.readyCommand`, recipe.readyCommand)
}

export function checkSteps(path: string, steps: readonly BuildStep[]): void {
  if (steps.length > RECIPE_LIMITS.steps) throw invalidArgument(path, `at most ${RECIPE_LIMITS.steps}`)
  for (const [index, step] of steps.entries()) checkStep(`${path}.${index}`, step)
}

/** For a Dockerfile alone: nothing else asks for any. */
export function checkSecrets({ source, secrets = {} }: Pick<BuildImageRequest, 'source' | 'secrets'>): void {
  const entries = Object.entries(secrets)
  if (entries.length > 0 && source.type !== 'dockerfile') throw invalidArgument('secrets', 'only of a Dockerfile')
  if (entries.length > RECIPE_LIMITS.secrets) throw invalidArgument('secrets', `at most ${RECIPE_LIMITS.secrets}`)
  for (const [id, value] of entries) {
    if (!/^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,127}$/.test(id))
      throw invalidArgument('secrets', `not an id: ${id.slice(0, 80)}`)
    if (Buffer.byteLength(value) > RECIPE_LIMITS.secretBytes)
      throw invalidArgument(`secrets.${id}`, `at most ${RECIPE_LIMITS.secretBytes} bytes`)
  }
}

/** What can be known before its context is read. */
export async function checkDockerfile(
  { blobs, dockerfiles }: Pick<Parts, 'blobs' | 'dockerfiles'>,
  by: Principal,
  source: DockerfileSource,
): Promise<void> {
  const { path, target, dockerfile, buildArgs = {}, files = {} } = source
  const context = [source.context ?? []].flat()
  if (path !== undefined) checkPath('source.path', path)
  if (target !== undefined) checkText('source.target', target, RECIPE_LIMITS.userChars)
  checkEnv('source.buildArgs', buildArgs)
  if (dockerfile === undefined && context.length === 0)
    throw invalidArgument('source.dockerfile', 'give it, or a context that has it')
  if (dockerfiles === undefined)
    throw new SpawnpointError('unavailable', 'This server builds no Dockerfiles', { reason: 'no builder' })
  dockerfiles.check(source)
  for (const name of Object.keys(files)) checkPath('source.files', name)
  const keys = [...context.map((key) => ['context', key]), ...Object.values(files).map((key) => ['files', key])]
  for (const [field = '', key = ''] of keys) {
    checkBlobKey(`source.${field}`, key)
    if (!(await blobs.has(by.teamId, key))) throw invalidArgument(`source.${field}`, `was not uploaded: ${key}`)
  }
}

function checkStep(path: string, step: BuildStep): void {
  switch (step.type) {
    case 'run':
      checkCommand(`${path}.command`, step.command)
      if (step.user !== undefined) checkUser(`${path}.user`, step.user)
      return
    case 'copy':
      if ((step.blob === undefined) === (step.fromImage === undefined))
        throw invalidArgument(`${path}.blob`, 'give exactly one of blob and fromImage')
      if (step.blob !== undefined) checkBlobKey(`${path}.blob`, step.blob)
      checkPath(`${path}.source`, step.source)
      if (step.source.split('/').includes('..')) throw invalidArgument(`${path}.source`, "must not contain '..'")
      checkPath(`${path}.destination`, step.destination)
      if (step.user !== undefined) checkUser(`${path}.user`, step.user)
      if (step.mode !== undefined && (!Number.isInteger(step.mode) || step.mode < 0 || step.mode > 0o7777))
        throw invalidArgument(`${path}.mode`, 'permission bits, 0 to 0o7777')
      return
    case 'env':
      checkEnv(`${path}.env`, step.env)
      return
    case 'workdir':
      checkPath(`${path}.path`, step.path)
      return
    case 'user':
      checkUser(`${path}.user`, step.user)
  }
}

function checkCommand(path: string, command: string): void {
  checkText(path, command, RECIPE_LIMITS.commandChars)
}

function checkPath(path: string, value: string): void {
  checkText(path, value, RECIPE_LIMITS.pathChars)
}

function checkUser(path: string, user: string): void {
  checkText(path, user, RECIPE_LIMITS.userChars)
}

function checkText(path: string, text: string, chars: number): void {
  if (text.length < 1 || text.length > chars || text.includes('\0') || !text.isWellFormed())
    throw invalidArgument(path, `1 to ${chars} characters without NUL`)
}
