import { describe, expect, it } from 'vitest'
import { captureRefusal } from './capture-refusal.ts'

const old = { keepsConnections: false }

describe('captureRefusal', () => {
  it.each([
    [
      'checkpoint failed: gofer.dentry("root/d1/x").beforeSave: deleted and invalidated dentries can\'t be restored',
      { what: 'deleted file', path: '/root/d1/x' },
    ],
    ['x: failed to read deleted file "/srv/a": EIO', { what: 'deleted file', path: '/srv/a' }],
    [
      'gofer.dentry("a b").prepareSaveDead: invalidated dentries can\'t be saved',
      { what: 'file changed from outside', path: '/a b' },
    ],
  ])('names the file in %j', (words, culprit) => {
    expect(captureRefusal(words, old)?.context.culprits).toEqual([{ pid: 0, ...culprit }])
  })

  it('names connections', () => {
    const words = 'endpoint cannot be saved in connected state: local 10.88.0.2:4000, remote 1.2.3.4:80'
    expect(captureRefusal(words, old)?.context.reason).toContain('remote 1.2.3.4:80')
    expect(captureRefusal('panic: nil pointer dereference', old)?.context.reason).toContain('just being opened')
  })

  it('blames nobody for what the runtime or the host did', () => {
    for (const words of [
      'no space left on device',
      'no answer within 30000 ms: it said nothing',
      'urpc method failed: EOF',
    ]) {
      expect(captureRefusal(words, old)).toBeNull()
    }
    expect(captureRefusal('panic: nil pointer dereference', { keepsConnections: true })).toBeNull()
  })
})
