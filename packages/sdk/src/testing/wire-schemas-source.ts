/** JSON Schema, as far as the OpenAPI document of the native door uses it. */
interface Schema {
  $ref?: string
  type?: string | string[]
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
}

export interface OpenApi {
  components: { schemas: Record<string, Schema> }
}

/** The text of `wire-schemas.ts`: one type for each schema that the OpenAPI document names. */
export function wireSchemasSource(document: OpenApi): string {
  const types = Object.entries(document.components.schemas).map(
    ([name, schema]) => `  ${name}: ${typeOf(schema, '  ')}\n`,
  )
  return [
    '// Generated from the OpenAPI document of the native API: npm run generate -w packages/sdk\n',
    '\n/** What goes over the wire, by its name in the OpenAPI document. */\n',
    `export interface Schemas {\n${types.join('')}}\n`,
  ].join('')
}

function typeOf(schema: Schema, indent: string): string {
  if (schema.$ref !== undefined) return `Schemas['${schema.$ref.split('/').at(-1)}']`
  if ('const' in schema) return literal(schema.const)
  if (schema.enum !== undefined) return schema.enum.map(literal).join(' | ')
  const union = schema.anyOf ?? schema.oneOf
  if (union !== undefined) return unique(union.map((one) => typeOf(one, indent))).join(' | ')
  if (schema.allOf !== undefined) return schema.allOf.map((one) => `(${typeOf(one, indent)})`).join(' & ')
  const types = Array.isArray(schema.type) ? schema.type : [schema.type]
  return unique(types.map((type) => simpleType(type, schema, indent))).join(' | ')
}

function simpleType(type: string | undefined, schema: Schema, indent: string): string {
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type
    case 'number':
    case 'integer':
      return 'number'
    case 'array':
      return `(${typeOf(schema.items ?? {}, indent)})[]`
    case 'object':
      return objectType(schema, indent)
    default:
      return 'unknown'
  }
}

function objectType({ properties, required = [], additionalProperties }: Schema, indent: string): string {
  if (properties === undefined) {
    return `Record<string, ${typeof additionalProperties === 'object' ? typeOf(additionalProperties, indent) : 'unknown'}>`
  }
  const inner = `${indent}  `
  const fields = Object.entries(properties).map(([name, schema]) => {
    const key = /^[a-zA-Z_]\w*$/.test(name) ? name : JSON.stringify(name)
    const type = typeOf(schema, inner)
    return required.includes(name) ? `${inner}${key}: ${type}\n` : `${inner}${key}?: ${type} | undefined\n`
  })
  return `{\n${fields.join('')}${indent}}`
}

function literal(value: unknown): string {
  return typeof value === 'string'
    ? `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
    : JSON.stringify(value)
}

function unique(types: string[]): string[] {
  return [...new Set(types)]
}
