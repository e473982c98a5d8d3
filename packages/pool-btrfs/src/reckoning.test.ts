import { describe, expect, it } from 'vitest'
import { afterCapture, limitOf, type RootAccount, usedBytes, worthAScan } from './reckoning.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30

function root(over: Partial<RootAccount> = {}): RootAccount {
  return { diskBytes: 8 * GIB, countedBytes: GIB, ownBytes: 0, slackBytes: 0, capturedBytes: 0, ...over }
}

describe('the limit on what a root owns', () => {
  it('leaves it as much as it does not refer to yet, and never is none', () => {
    expect(limitOf(root())).toBe(7 * GIB)
    expect(limitOf(root({ countedBytes: 2 * GIB, ownBytes: 5 * GIB }))).toBe(11 * GIB)
    expect(limitOf(root({ countedBytes: 9 * GIB }))).toBeGreaterThan(0)
    expect(limitOf(root({ countedBytes: 9 * GIB, ownBytes: 3 * GIB }))).toBe(2 * GIB)
  })

  it('is reached where the root is said to use what it may', () => {
    for (const account of [root(), root({ countedBytes: 3 * GIB, ownBytes: 4 * GIB })])
      expect(usedBytes(account, limitOf(account))).toBe(account.diskBytes)
  })
})

describe('a scan', () => {
  it('is worth its while the sooner the less room is left', () => {
    expect(worthAScan(root(), 500 * MIB, 0)).toBe(false)
    expect(worthAScan(root(), 1100 * MIB, 0)).toBe(true)
    expect(worthAScan(root({ countedBytes: 7 * GIB }), 500 * MIB, 0)).toBe(true)
    expect(worthAScan(root({ countedBytes: 8 * GIB - 20 * MIB, slackBytes: 0 }), 1 * MIB, 0)).toBe(false)
  })

  it('is worth its while when much of what it owned has gone', () => {
    expect(worthAScan(root({ ownBytes: 3 * GIB }), 1 * GIB, 0)).toBe(true)
  })

  it('is made again and again of a root at its limit, but not all the time', () => {
    const full = root({ countedBytes: 8 * GIB, scan: { endedAt: 1_000, tookMs: 50 } })
    expect(worthAScan(full, 0, 20_000)).toBe(false)
    expect(worthAScan(full, 0, 31_000)).toBe(true)
  })

  it('that took long is not made again soon', () => {
    const slow = root({ scan: { endedAt: 1_000, tookMs: 10_000 } })
    expect(worthAScan(slow, 4 * GIB, 101_000)).toBe(false)
    expect(worthAScan(slow, 4 * GIB, 202_000)).toBe(true)
  })
})

describe('a capture', () => {
  it('holds what the root used, newly what it wrote since the last one, and no more than it was counted for', () => {
    const first = afterCapture(root(), 100 * MIB)
    expect(first).toMatchObject({
      size: { sizeBytes: GIB + 100 * MIB, slackBytes: 100 * MIB },
      takenBytes: 100 * MIB,
    })
    const second = afterCapture(first.next, 130 * MIB)
    expect(second).toMatchObject({ size: { sizeBytes: GIB + 130 * MIB }, takenBytes: 30 * MIB })
  })
})
