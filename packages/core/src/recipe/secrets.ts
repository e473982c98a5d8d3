import { posix } from 'node:path'
import type { Env, RunStep } from '../model.ts'
import type { Builder } from './builder.ts'
import type { PlannedStep } from './plan.ts'
import { putAside } from './put-aside.ts'

/** Values by id, as the request has them; in no record. */
export type BuildSecrets = ReadonlyMap<string, string>

/** Runs a command with the secrets that it asks for and the request has. Their files are gone before the layer is taken. */
export async function withSecrets(
  { guest }: Builder,
  { before }: PlannedStep,
  { secrets: asked = [] }: RunStep,
  secrets: BuildSecrets,
  run: (env: Env) => Promise<void>,
): Promise<void> {
  const env: Env = {}
  const restores: (() => Promise<void>)[] = []
  for (const [index, { id, target, env: name, mode, owner }] of asked.entries()) {
    const value = secrets.get(id)
    if (value === undefined) continue
    if (name !== null) env[name] = value
    if (target === null) continue
    const path = posix.resolve(before.workdir, target)
    restores.push(await putAside(guest, path, `secret-${index}`))
    await guest.files.write(path, one(Buffer.from(value)), { mode, owner: 'root' })
    if (owner !== '0:0') await guest.files.chown(path, owner)
  }
  await run(env)
  for (const restore of restores.reverse()) await restore()
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
