import type { ErrorDescription, Json, OpenApiDocument, Operation } from './openapi.ts'

/** The API for people: one page without scripts, made from the OpenAPI document. */
export function docsPage(document: OpenApiDocument): string {
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  )
  const sections = document.tags.map(({ name, description }) => ({
    name,
    description,
    entries: operations.filter(({ operation }) => operation.tags.includes(name)),
  }))
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(document.info.title)} API</title><style>${STYLE}</style></head><body>
<nav><a class="home" href="#top">${text(document.info.title)}</a>
${sections.map(navigation).join('\n')}
<h2>More</h2><a href="#schemas">Schemas</a><a href="#errors">Errors</a><a href="/v1/openapi.json">openapi.json</a></nav>
<main id="top"><h1>${text(document.info.title)} API <small>${text(document.info.version)}</small></h1>
${prose(document.info.description)}
<p>Every request but those for these documents carries <code>Authorization: Bearer KEY</code> or <code>X-API-Key: KEY</code>.</p>
${sections.map(section).join('\n')}
<section id="schemas"><h2>Schemas</h2>${Object.entries(document.components.schemas).map(schema).join('\n')}</section>
<section id="errors"><h2>Errors</h2>${Object.entries(document['x-error-codes']).map(error).join('\n')}</section>
</main></body></html>`
}

interface Entry {
  path: string
  method: string
  operation: Operation
}

function navigation({ name, entries }: { name: string; entries: Entry[] }): string {
  const links = entries.map(({ operation }) => `<a href="#${operation.operationId}">${text(operation.operationId)}</a>`)
  return `<h2>${text(name)}</h2>${links.join('')}`
}

function section({ name, description, entries }: { name: string; description: string; entries: Entry[] }): string {
  return `<section><h2>${text(name)}</h2><p>${text(description)}</p>${entries.map(entry).join('\n')}</section>`
}

function entry({ path, method, operation }: Entry): string {
  const body = operation.requestBody as { content: Record<string, Json> } | undefined
  return `<article id="${operation.operationId}">
<h3><span class="method ${method}">${method.toUpperCase()}</span> <code>${text(path)}</code></h3>
<p><strong>${text(operation.summary)}</strong></p>${operation.description === undefined ? '' : prose(operation.description)}
${operation.parameters.length === 0 ? '' : `<table>${operation.parameters.map(parameter).join('')}</table>`}
${body === undefined ? '' : `<h4>Body</h4>${content(body.content)}`}
<h4>Answers</h4><table>${Object.entries(operation.responses).map(response).join('')}</table></article>`
}

function parameter(given: Json): string {
  const required = given.required ? ' <em>required</em>' : ''
  return `<tr><td><code>${text(given.name)}</code> <small>${text(given.in)}${required}</small></td><td>${type(given.schema as Json)}</td><td>${inline(given.description)}</td></tr>`
}

function response([status, given]: [string, Json]): string {
  const codes = given['x-error-codes'] as string[] | undefined
  const said =
    codes === undefined
      ? inline(given.description)
      : codes.map((code) => `<a href="#error-${code}"><code>${code}</code></a>`).join(' ')
  const shown = codes === undefined && given.content !== undefined ? content(given.content as Record<string, Json>) : ''
  return `<tr><td><code>${status}</code></td><td>${said}${shown}</td></tr>`
}

function content(given: Record<string, Json>): string {
  return Object.entries(given)
    .map(([mediaType, { schema, examples }]) => {
      const shape = schema === undefined ? 'bytes' : type(schema as Json)
      const shown = Object.values((examples ?? {}) as Record<string, { value: unknown }>)
      return `<div><code>${text(mediaType)}</code> ${shape}${shown.map(({ value }) => example(value)).join('')}</div>`
    })
    .join('')
}

function example(value: unknown): string {
  return `<details><summary>example</summary><pre>${text(JSON.stringify(value, null, 2))}</pre></details>`
}

function schema([id, given]: [string, Json]): string {
  const properties = Object.entries((given.properties ?? {}) as Record<string, Json>)
  const required = new Set((given.required ?? []) as string[])
  const rows = properties.map(
    ([name, property]) =>
      `<tr><td><code>${text(name)}</code>${required.has(name) ? '' : ' <small>optional</small>'}</td><td>${type(property)}</td><td>${inline(property.description)}</td></tr>`,
  )
  const about = given.description === undefined ? '' : `<p>${inline(given.description)}</p>`
  return `<article id="schema-${id}"><h3>${text(id)}</h3>${about}${rows.length === 0 ? type(given) : `<table>${rows.join('')}</table>`}</article>`
}

function error([code, given]: [string, ErrorDescription]): string {
  const fields = Object.entries((given.context.properties ?? {}) as Record<string, Json>)
  const context = fields.map(([name, property]) => `<code>${text(name)}</code> ${type(property)}`).join(', ')
  return `<article id="error-${code}"><h3><code>${code}</code> <small>${given.status}</small></h3>
<p>${inline(given.meaning)}${given.retry ? ' The same request may succeed later.' : ''}</p>${context === '' ? '' : `<p>Context: ${context}</p>`}</article>`
}

/** A schema in a few words, with links to those that have names. */
function type(given: Json): string {
  const { $ref, anyOf, oneOf, items, properties, additionalProperties } = given as {
    $ref?: string
    anyOf?: Json[]
    oneOf?: Json[]
    items?: Json
    properties?: Record<string, Json>
    additionalProperties?: unknown
  }
  if ($ref !== undefined) {
    const id = $ref.split('/').at(-1) ?? ''
    return `<a href="#schema-${text(id)}">${text(id)}</a>`
  }
  const either = anyOf ?? oneOf
  if (either !== undefined) return either.map(type).join(' | ')
  if (given.enum !== undefined)
    return (given.enum as unknown[]).map((value) => `<code>${text(JSON.stringify(value))}</code>`).join(' | ')
  if (given.const !== undefined) return `<code>${text(JSON.stringify(given.const))}</code>`
  if (items !== undefined) return `${type(items)}[]`
  if (properties !== undefined) {
    const fields = Object.entries(properties).map(([name, property]) => `<code>${text(name)}</code>: ${type(property)}`)
    return `{ ${fields.join(', ')} }`
  }
  if (typeof additionalProperties === 'object' && additionalProperties !== null)
    return `map of ${type(additionalProperties as Json)}`
  return text(given.format ?? given.type ?? 'any')
}

function prose(given: string): string {
  return given
    .split('\n\n')
    .map((paragraph) => `<p>${inline(paragraph)}</p>`)
    .join('')
}

function inline(given: unknown): string {
  return text(given ?? '').replaceAll(/`([^`]+)`/g, '<code>$1</code>')
}

function text(given: unknown): string {
  return String(given)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

const STYLE = `
:root{color-scheme:light dark;--fg:#1c2024;--dim:#60646c;--bg:#fff;--panel:#f6f7f9;--line:#e0e3e8;--link:#0b62d6}
@media(prefers-color-scheme:dark){:root{--fg:#e6e8eb;--dim:#9ba1a6;--bg:#111417;--panel:#191d21;--line:#2b3137;--link:#6cb0ff}}
*{box-sizing:border-box}html{scroll-behavior:smooth;scroll-padding-top:1rem}
body{margin:0;display:grid;grid-template-columns:15rem minmax(0,1fr);font:15px/1.55 system-ui,sans-serif;color:var(--fg);background:var(--bg)}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1.25rem;background:var(--panel);border-right:1px solid var(--line);font-size:13px}
nav a{display:block;padding:.1rem 0;color:var(--fg);text-decoration:none;overflow:hidden;text-overflow:ellipsis}nav a:hover{color:var(--link)}
nav .home{font-size:17px;font-weight:700}nav h2{margin:1rem 0 .2rem;font-size:11px;letter-spacing:.06em;text-transform:uppercase;color:var(--dim)}
main{max-width:62rem;padding:2rem 2.5rem 6rem}a{color:var(--link)}small{color:var(--dim);font-weight:400}
section>h2{margin:3rem 0 0;text-transform:capitalize}article{margin:1.5rem 0;padding:1rem 1.25rem;border:1px solid var(--line);border-radius:8px}
article:target{border-color:var(--link)}h3{margin:0 0 .4rem;font-size:16px}h4{margin:1rem 0 .3rem;font-size:12px;text-transform:uppercase;color:var(--dim)}
p{margin:.4rem 0}table{width:100%;border-collapse:collapse;font-size:13.5px}td{padding:.35rem .6rem .35rem 0;border-top:1px solid var(--line);vertical-align:top}
code,pre{font:12.5px/1.5 ui-monospace,monospace}pre{margin:.4rem 0;padding:.7rem;overflow:auto;background:var(--panel);border-radius:6px}
.method{display:inline-block;min-width:3.6rem;padding:0 .45rem;border-radius:4px;text-align:center;font:700 11px/20px ui-monospace,monospace;color:#fff;background:#60646c}
.get{background:#0b62d6}.post{background:#18794e}.put,.patch{background:#ad5700}.delete{background:#c62a2f}
@media(max-width:50rem){body{display:block}nav{position:static;height:auto}main{padding:1rem}}
`
