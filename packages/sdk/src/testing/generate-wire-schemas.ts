import { writeFile } from 'node:fs/promises'
import { openServerWorld } from './server-world.ts'
import { type OpenApi, wireSchemasSource } from './wire-schemas-source.ts'

/** Writes `wire-schemas.ts` from the OpenAPI document that the door serves. */
export async function generate(): Promise<string> {
  await using world = await openServerWorld()
  const response = await fetch(`${world.url}/v1/openapi.json`)
  return wireSchemasSource((await response.json()) as OpenApi)
}

if (import.meta.main) await writeFile(new URL('../wire-schemas.ts', import.meta.url), await generate())
