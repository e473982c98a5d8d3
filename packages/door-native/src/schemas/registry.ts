import { z } from 'zod'

/** Schemas with a name of their own in the OpenAPI document. */
export const components = z.registry<{ id: string; description?: string; examples?: unknown[] }>()

/** Gives a schema its name in the OpenAPI document. */
export function component<S extends z.ZodType>(
  id: string,
  schema: S,
  about: { description?: string; examples?: unknown[] } = {},
): S {
  components.add(schema as z.ZodType, { id, ...about })
  return schema
}
