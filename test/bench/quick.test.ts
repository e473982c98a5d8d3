import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { REPOSITORY } from '../e2e/world.ts'

// That it runs; figures of a machine that runs tests mean nothing.
test('the benchmark runs to its end', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=development', join(REPOSITORY, 'bench/main.ts'), '--quick'],
    { timeout: 55_000 },
  )
  for (const work of ['create', 'delete', 'command', 'memory snapshot, 16 MiB', 'spawn, 16 MiB', 'filesystem snapshot'])
    expect(stdout).toContain(work)
  expect(stdout).not.toContain('NaN')
})
