'use strict'
// Code in, what comes of it out: the half of the JavaScript and TypeScript kernels that runs it. Requests are lines of JSON
// on one descriptor, answers on another. Names declared at the top of one piece of code are there for the next.
const { createReadStream, writeSync } = require('node:fs')
const { createRequire, isBuiltin } = require('node:module')
const path = require('node:path')
const readline = require('node:readline')
const { pathToFileURL } = require('node:url')
const { inspect, types } = require('node:util')
const vm = require('node:vm')
const { rewrite } = require('./rewrite.cjs')

const [IN, OUT] = [Number(process.argv[2]), Number(process.argv[3])]
const isTypeScript = process.argv[4] === 'typescript'
const TEXT_MAX = 1 << 20

function send(message) {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`)
  for (let at = 0; at < bytes.length; ) at += writeSync(OUT, bytes, at)
}

for (const name of ['stdout', 'stderr']) {
  process[name].write = (chunk, encoding, done) => {
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
    if (text !== '') send({ type: 'stream', name, text })
    const after = typeof encoding === 'function' ? encoding : done
    if (typeof after === 'function') process.nextTick(after)
    return true
  }
}

const here = createRequire(path.join(process.cwd(), 'code.js'))
globalThis.require = here
globalThis.display = (value) => send({ type: 'display', data: formsOf(value) ?? {} })
globalThis.display.html = (html) => send({ type: 'display', data: { 'text/html': String(html) } })

/** Modules are looked for where the code works, as by `require`. */
async function load(specifier) {
  if (isBuiltin(specifier) || /^(node|file|data|https?):/.test(specifier)) return import(specifier)
  return import(pathToFileURL(here.resolve(specifier)).href)
}

/** Newer Node.js does so by itself, and would take a function only with a flag. */
const LOADER = vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER ?? load

const warn = process.emitWarning
// That it is new is nothing for whoever runs code.
process.emitWarning = (warning, ...rest) =>
  /USE_MAIN_CONTEXT_DEFAULT_LOADER|VM Modules/.test(String(warning)) ? undefined : warn.call(process, warning, ...rest)

/** Ways to show a value, by MIME type; `null` for what is nothing. */
function formsOf(value) {
  if (value === undefined) return null
  const forms = { 'text/plain': shown(value) }
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return forms
  const own = value[Symbol.for('Jupyter.display')]
  if (typeof own === 'function') return { ...forms, ...own.call(value) }
  const methods = { _toHtml: 'text/html', _toSvg: 'image/svg+xml', _toPng: 'image/png', _toJpeg: 'image/jpeg' }
  for (const [method, form] of Object.entries(methods))
    if (typeof value[method] === 'function') forms[form] = String(value[method]())
  return forms
}

function shown(value) {
  const text = inspect(value, { depth: 4, maxArrayLength: 1_000, maxStringLength: TEXT_MAX })
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text
}

function failureOf(error) {
  if (!types.isNativeError(error)) return { type: 'error', name: 'Error', value: `Uncaught ${shown(error)}`, trace: [] }
  const lines = String(error.stack ?? error).split('\n')
  // Where our own frames begin, the code's have ended.
  const end = lines.findIndex((line) => line.includes(__dirname) || line.includes('(node:vm'))
  return { type: 'error', name: error.name, value: error.message, trace: end < 0 ? lines : lines.slice(0, end) }
}

/** Names are properties of the global object, as they are of a script's; some of those are getters until then. */
function declare(names) {
  for (const name of names) {
    const there = Object.getOwnPropertyDescriptor(globalThis, name)
    if (there !== undefined && there.get === undefined) continue
    Object.defineProperty(globalThis, name, { value: undefined, writable: true, configurable: true, enumerable: true })
  }
}

let interrupted = () => {}
process.on('SIGINT', () => interrupted())

async function run(code) {
  const { text, names } = rewrite(code, isTypeScript)
  declare(names)
  const script = new vm.Script(text, { filename: 'code.js', importModuleDynamically: LOADER })
  const stopped = new Promise((_, reject) => {
    interrupted = () =>
      reject(Object.assign(new Error('Execution interrupted'), { name: 'KeyboardInterrupt', stack: '' }))
  })
  stopped.catch(() => {})
  return Promise.race([script.runInThisContext({ breakOnSigint: true }), stopped])
}

// What goes wrong where nobody waits for it is told, and does not end the kernel.
for (const event of ['uncaughtException', 'unhandledRejection'])
  process.on(event, (error) => process.stderr.write(`Uncaught ${failureOf(error).trace.join('\n') || shown(error)}\n`))

const queue = []
let busy = false

async function next() {
  if (busy || queue.length === 0) return
  busy = true
  const { code, silent } = queue.shift()
  try {
    const forms = formsOf(await run(code))
    if (forms !== null && !silent) send({ type: 'result', data: forms })
  } catch (error) {
    const isStopped = error?.code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED'
    send(
      isStopped
        ? { type: 'error', name: 'KeyboardInterrupt', value: 'Execution interrupted', trace: [] }
        : failureOf(error),
    )
  } finally {
    send({ type: 'done' })
    busy = false
    void next()
  }
}

const requests = readline.createInterface({ input: createReadStream(null, { fd: IN, autoClose: false }) })
requests.on('line', (line) => {
  queue.push(JSON.parse(line))
  void next()
})
requests.on('close', () => process.exit(0))
