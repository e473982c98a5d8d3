import { type ProcessSpec, SpawnpointError } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { executeSchema, withShell } from './command.ts'
import { processIdOf } from './command-id.ts'

const spec: ProcessSpec = { args: ['/bin/bash', '-c', 'pwd'], env: {}, stdin: false, cwd: '/root' }
const refusal = (errno: string, what: 'program' | 'cwd') =>
  new SpawnpointError('guest_error', 'refused', { errno, path: '/', what })

describe('a command begins', () => {
  /** What is started in the end, where neither this shell nor this directory will do. */
  async function begun(asked: Parameters<typeof withShell>[1]) {
    return withShell(spec, asked, async (one) => {
      if (one.args[0] === '/bin/bash') throw refusal('ENOENT', 'program')
      if (one.cwd === '/root') throw refusal('EACCES', 'cwd')
      return one
    })
  }

  it('at the root where somebody else may not enter the directory of the box', async () => {
    expect(await begun({ run_config: { user: 'app' } })).toMatchObject({ args: ['/bin/sh', '-c', 'pwd'], cwd: '/' })
  })

  it('nowhere else than it was asked to', async () => {
    for (const asked of [{}, { cwd: '/root' }, { run_config: { user: 'app', work_dir: '/root' } }, { run_config: {} }])
      await expect(begun(asked)).rejects.toMatchObject({ code: 'guest_error', context: { what: 'cwd' } })
  })
})

it('ids of commands are any text', () => {
  expect(processIdOf('a_b-1')).toBe('a_b-1')
  const [one, other] = [processIdOf('job: 1/é'), processIdOf('job: 2/é')]
  expect([one, other]).toEqual([expect.stringMatching(/^c-[0-9a-f]{64}$/), expect.not.stringMatching(one)])
})

it('a command that no system can take is refused by its length', () => {
  const command = (length: number) => executeSchema.safeParse({ command: 'é'.repeat(length / 2) }).success
  expect([command(131_070), command(131_072)]).toEqual([true, false])
})
