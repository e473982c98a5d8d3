/** Reading JSON that strangers wrote: each function gives `undefined` for what is not of its kind. */

export type JsonObject = Readonly<Record<string, unknown>>

export function parseObject(bytes: Buffer | string): JsonObject | undefined {
  try {
    return object(JSON.parse(bytes.toString()))
  } catch {
    return undefined // not JSON
  }
}

export function object(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined
}

export function array(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** All of them strings, or `undefined`. */
export function texts(value: unknown): string[] | undefined {
  const items = array(value)
  return items?.every((item) => typeof item === 'string') ? (items as string[]) : undefined
}
