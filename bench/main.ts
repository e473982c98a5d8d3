import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { factsOf, markdownTable, tableOf, textTable, verdictLine, verdicts } from './report.ts'
import { Results } from './samples.ts'
import { type Bench, create, exec, filesystem, memory, type Plan } from './suites.ts'
import { World } from './world.ts'

const FULL: Plan = { rounds: 45, largeRounds: 15, memoryMib: [16, 256, 1_024], filesMib: [100, 5_000] }
const QUICK: Plan = { rounds: 1, largeRounds: 1, memoryMib: [16], filesMib: [16] }

const USAGE = `usage: script/bench [--quick] [--only create,exec,memory,filesystem] [--rounds N] [--memory MIB,…] [--files MIB,…]
  Measures this server against bare runsc commands, in turns. Results: bench/results/DATE.json and .md
  --quick   one round of everything small: whether it runs, no figures worth reading`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean' },
      only: { type: 'string' },
      rounds: { type: 'string' },
      memory: { type: 'string' },
      files: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const plan = { ...(values.quick ? QUICK : FULL) }
  if (values.rounds) plan.rounds = Number(values.rounds)
  if (values.rounds) plan.largeRounds = Math.min(plan.largeRounds, plan.rounds)
  if (values.memory) plan.memoryMib = values.memory.split(',').map(Number)
  if (values.files) plan.filesMib = values.files.split(',').map(Number)
  const only = values.only?.split(',')

  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => stop.abort(new Error(`stopped by ${signal}`)))
  }
  const results = new Results()
  const say = (text: string) => console.error(`bench: ${text}`)
  say('starting a server')
  await using world = await World.open()
  const bench: Bench = { world, results, plan, signal: stop.signal, say }
  const suites: [name: string, what: string, run: () => Promise<void>][] = [
    ['create', 'create and delete', () => create(bench)],
    ['exec', 'commands', () => exec(bench)],
    ...plan.memoryMib.map(
      (mib) => ['memory', `memory, ${mib} MiB`, () => memory(bench, mib)] as [string, string, () => Promise<void>],
    ),
    ...plan.filesMib.map(
      (mib) =>
        ['filesystem', `files, ${mib} MiB`, () => filesystem(bench, mib)] as [string, string, () => Promise<void>],
    ),
  ]
  for (const [name, what, run] of suites) {
    if (only && !only.includes(name)) continue
    say(what)
    await run()
  }

  const facts = factsOf(world.runscVersion)
  const table = tableOf(results.rows)
  const judged = verdicts(results)
  console.log(`\n${textTable(table)}\n\nWhere the server's snapshots spend their time, medians in ms`)
  for (const line of results.stepLines) console.log(`  ${line}`)
  if (!values.quick) console.log(`\n${judged.map(verdictLine).join('\n')}`)

  const dir = join(import.meta.dirname, 'results')
  mkdirSync(dir, { recursive: true })
  const file = join(dir, facts.date.replaceAll(/[:.]/g, '-'))
  writeFileSync(`${file}.json`, JSON.stringify({ facts, rows: results.rows, aims: judged }, null, 1))
  const machine = Object.entries(facts).map(([key, value]) => `| ${key} | ${String(value)} |`)
  writeFileSync(
    `${file}.md`,
    `${['| | |', '|---|---|', ...machine, '', markdownTable(table), '', ...judged.map((verdict) => `- ${verdictLine(verdict)}`)].join('\n')}\n`,
  )
  say(`${file}.json`)
  return 0
}

try {
  process.exitCode = await main()
} catch (error) {
  // A failure while cleaning up hides the first one behind it.
  for (let each = error; each instanceof Error; each = each instanceof SuppressedError ? each.suppressed : each.cause)
    console.error(`bench: ${each.stack}`)
  process.exitCode = 1
}
