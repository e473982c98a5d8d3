'use strict'
// Makes of a piece of code an async function whose result is the value of its last expression, with what it declares at its
// top assigned to global names instead, so that code which comes later has them.
const acorn = require('./acorn.js')

const OPTIONS = {
  ecmaVersion: 'latest',
  sourceType: 'script',
  allowAwaitOutsideFunction: true,
  allowImportExportEverywhere: true,
  allowHashBang: true,
}

function rewrite(source, isTypeScript) {
  const code = isTypeScript ? stripTypes(source) : source
  const { body } = acorn.parse(code, OPTIONS)
  const names = new Set()
  const hoisted = []
  const parts = []
  let at = 0
  for (const [index, statement] of body.entries()) {
    parts.push(code.slice(at, statement.start))
    parts.push(statementOf(statement, { code, names, hoisted, isLast: index === body.length - 1 }))
    at = statement.end
  }
  parts.push(code.slice(at).replace(/^#!.*/, ''))
  // On one line, so that lines of errors are those of the code.
  const head = `(async () => { ${hoisted.map((name) => `globalThis.${name} = ${name};`).join(' ')}`
  return { text: `${head} ${parts.join('').replace(/^#!.*/, '')}\n})()`, names: [...names] }
}

function statementOf(node, place) {
  const { code, names, hoisted, isLast } = place
  const text = code.slice(node.start, node.end)
  switch (node.type) {
    case 'VariableDeclaration':
      return declarationOf(node, place)
    case 'FunctionDeclaration':
      names.add(node.id.name)
      hoisted.push(node.id.name)
      return text
    case 'ClassDeclaration':
      names.add(node.id.name)
      return `;${node.id.name} = ${text};`
    case 'ImportDeclaration':
      return importOf(node, place)
    case 'ExportNamedDeclaration':
      return node.declaration ? statementOf(node.declaration, place) : ''
    case 'ExportDefaultDeclaration': {
      const { declaration } = node
      if (declaration.id) return statementOf(declaration, place)
      return `;(${code.slice(declaration.start, declaration.end)});`
    }
    case 'ExpressionStatement': {
      if (!isLast || (node.directive !== undefined && code.slice(node.end).trim() !== '')) return text
      return `;return (${code.slice(node.expression.start, node.expression.end)}\n);`
    }
    default:
      return text
  }
}

function declarationOf(node, { code, names }) {
  const parts = node.declarations.map(({ id, init }) => {
    namesOf(id, names)
    const value = init ? code.slice(init.start, init.end) : 'undefined'
    return `${code.slice(id.start, id.end)} = ${value}`
  })
  return `;(${parts.join(', ')});`
}

function importOf(node, { names }) {
  const module = `await import(${JSON.stringify(node.source.value)})`
  const parts = []
  for (const { type, local, imported } of node.specifiers) {
    names.add(local.name)
    if (type === 'ImportNamespaceSpecifier') parts.push(`${local.name} = __m`)
    else {
      const name = type === 'ImportDefaultSpecifier' ? 'default' : (imported.name ?? imported.value)
      parts.push(`${local.name} = __m[${JSON.stringify(name)}]`)
    }
  }
  return `;{ const __m = ${module}; ${parts.map((part) => `${part};`).join(' ')} }`
}

function namesOf(pattern, names) {
  switch (pattern.type) {
    case 'Identifier':
      names.add(pattern.name)
      break
    case 'ObjectPattern':
      for (const property of pattern.properties) namesOf(property.value ?? property.argument, names)
      break
    case 'ArrayPattern':
      for (const element of pattern.elements) if (element) namesOf(element, names)
      break
    case 'AssignmentPattern':
      namesOf(pattern.left, names)
      break
    case 'RestElement':
      namesOf(pattern.argument, names)
  }
}

let amaro

function stripTypes(source) {
  // Seconds of work that only who writes TypeScript pays.
  amaro ??= require('./amaro/index.js')
  try {
    return amaro.transformSync(source, { mode: 'strip-only' }).code
  } catch (error) {
    if (error?.code !== 'UnsupportedSyntax') throw plainError(error)
    try {
      return amaro.transformSync(source, { mode: 'transform' }).code
    } catch (second) {
      throw plainError(second)
    }
  }
}

function plainError(error) {
  return Object.assign(new SyntaxError(error?.message ?? String(error)), {
    stack: `SyntaxError: ${error?.message ?? error}`,
  })
}

module.exports = { rewrite }
