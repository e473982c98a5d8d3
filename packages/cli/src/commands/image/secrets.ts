import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { UsageError } from '../../exit.ts'

/** `id=x,src=FILE`, `id=x,env=NAME`, or `id=x` for the variable of that name, as Docker has it. Throws `UsageError`. */
export function secretsFrom(given: string[] | undefined): Record<string, string> | undefined {
  if (given === undefined) return undefined
  return Object.fromEntries(given.map(secretOf))
}

function secretOf(text: string): [id: string, value: string] {
  const said = new Map(
    text.split(',').map((pair): [string, string] => {
      const equals = pair.indexOf('=')
      return equals < 0 ? [pair, ''] : [pair.slice(0, equals).trim(), pair.slice(equals + 1)]
    }),
  )
  const id = said.get('id') ?? ''
  const other = [...said.keys()].find((name) => !['id', 'src', 'source', 'env', 'type'].includes(name))
  if (id === '' || other !== undefined) throw new UsageError(`'${text}' is not id=ID,src=FILE or id=ID,env=NAME`)
  const file = said.get('src') ?? said.get('source')
  if (file !== undefined) return [id, contentOf(file)]
  const name = said.get('env') ?? id
  const value = process.env[name]
  if (value === undefined) throw new UsageError(`the variable ${name} is not set; of the secret ${id} give src or env`)
  return [id, value]
}

function contentOf(file: string): string {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!isUtf8(bytes)) throw new UsageError(`${file} is no text; encode it, such as with base64`)
  return bytes.toString()
}
