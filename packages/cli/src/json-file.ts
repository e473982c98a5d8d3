import { readFileSync } from 'node:fs'
import { UsageError } from './exit.ts'

/** Of a file, or of standard input for `-`. Throws `UsageError`. */
export function contentOf(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8')
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Of a JSON file with a list of what the API takes: what is wrong within it the server says, by its place. Throws `UsageError`. */
export function listOf<T>(file: string, what: string): T[] {
  let list: unknown
  try {
    list = JSON.parse(contentOf(file))
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`${file} is no JSON`)
  }
  if (!Array.isArray(list)) throw new UsageError(`${file} is no list of ${what}`)
  return list
}
