import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { freshSpec } from './bundle.ts'
import { hostCpuFeatures } from './cpu-features.ts'
import { findRunsc } from './find-runsc.ts'
import { Limiter } from './limiter.ts'
import { flagNames, versionOf } from './probe.ts'
import { globalFlags } from './runsc.ts'

const dir = mkdtempSync(`${tmpdir()}/spawnpoint-parts-`)
afterAll(() => rmSync(dir, { recursive: true }))

describe('Limiter', () => {
  it('never lets more in than it may, keeps the order, and survives failures', async () => {
    const limiter = new Limiter(2)
    const order: number[] = []
    let [now, most] = [0, 0]
    const tasks = Array.from({ length: 8 }, (_, index) =>
      limiter.run(async () => {
        order.push(index)
        now += 1
        most = Math.max(most, now)
        await sleep(5)
        now -= 1
        if (index === 3) throw new Error('three')
      }),
    )
    const results = await Promise.allSettled(tasks)
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    expect(most).toBe(2)
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })
})

describe('asking a runsc', () => {
  it('takes flags from both styles of help', () => {
    expect(flagNames('create [flags]\n  -bundle string\n    \tpath of --other\n  --direct\n')).toEqual([
      'bundle',
      'direct',
    ])
  })

  it('tells builds apart that have no version of their own', () => {
    expect(versionOf('runsc version release-20260817.0\nspec: 1.2.1\n', 'abcdef0123456789')).toBe('release-20260817.0')
    expect(versionOf('runsc version VERSION_MISSING\n', 'abcdef0123456789')).toBe('VERSION_MISSING+abcdef012345')
  })

  it('gives it no flag that it does not have', () => {
    const base = {
      version: '1',
      checkpointFlags: [],
      restoreFlags: [],
      coverSysNet: false,
      takesOrders: false,
    } as const
    const rest = { capturesDeletedFiles: true, keepsConnections: true, idleIsFree: true }
    const flags = globalFlags(
      { ...base, ...rest, checkpointFlags: [], restoreFlags: [], flags: ['network'] },
      '/run/netns/x',
    )
    expect(flags.join(' ')).not.toMatch(/allow-suid|gofer-network|net-disconnect|host-settings/)
  })

  it('is found where the environment says, else on the search path, else the reason is told', () => {
    writeFileSync(`${dir}/runsc`, '', { mode: 0o755 })
    expect(findRunsc({ SPAWNPOINT_RUNSC: `${dir}/runsc`, PATH: '/nowhere' })).toBe(`${dir}/runsc`)
    expect(findRunsc({ SPAWNPOINT_RUNSC: '/not/there', PATH: `/nowhere:${dir}` })).toBe(`${dir}/runsc`)
  })
})

describe('hostCpuFeatures', () => {
  it('are sorted, told once, and without what Linux adds of its own', () => {
    const file = `${dir}/cpuinfo`
    writeFileSync(
      file,
      'processor : 0\nflags\t\t: sse2 avx pti fpu constant_tsc avx\nbugs : spectre_v1\n\nflags : other\n',
    )
    expect(hostCpuFeatures(file)).toEqual(['avx', 'fpu', 'sse2'])
  })

  it('of this machine are some', () => {
    expect(hostCpuFeatures().length).toBeGreaterThan(10)
  })
})

describe('freshSpec', () => {
  it.each([64, 256, 1024, 16_384])(
    'leaves a quarter of %i MiB to processes when every temporary file system is full',
    (mib) => {
      const memoryBytes = mib * 2 ** 20
      const { mounts } = freshSpec({ cpus: 1, memoryBytes, diskBytes: 0, maxProcesses: 10 })
      const sizes = mounts.flatMap(({ options }) => options.flatMap((option) => /^size=(\d+)$/.exec(option)?.[1] ?? []))
      expect(sizes).toHaveLength(4)
      const total = sizes.reduce((sum, size) => sum + Number(size), 0)
      expect(total).toBeLessThan(memoryBytes * 0.75)
      expect(total).toBeGreaterThan(memoryBytes * 0.6)
    },
  )
})
