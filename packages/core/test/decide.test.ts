import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decide, LIFECYCLE, nextState, type Operation, type OperationKind, type SandboxState } from '../src/index.ts'
import { possibleRequests, type SandboxRequest } from '../src/sandbox/decide.ts'

const STATES = Object.keys(LIFECYCLE) as SandboxState[]
const REQUESTS: SandboxRequest[] = ['snapshot', 'fork', 'pause', 'resume', 'stop', 'start', 'rollback', 'kill', 'use']
const KINDS: OperationKind[] = [
  'sandbox.create',
  'sandbox.pause',
  'sandbox.resume',
  'sandbox.stop',
  'sandbox.start',
  'sandbox.fork',
  'sandbox.rollback',
  'sandbox.kill',
  'snapshot.create',
]
const id = 'a'.repeat(24) as never
const timeout = { autoResume: false }
const open = (kind: OperationKind) => ({ id: 'b'.repeat(24), kind, state: 'open' }) as Operation

describe('decide', () => {
  it.each([
    ['running', null, 'snapshot', 'run'],
    ['running', 'snapshot.create', 'snapshot', 'wait'],
    ['snapshotting', 'snapshot.create', 'pause', 'wait'],
    ['snapshotting', 'snapshot.create', 'kill', 'wait'],
    ['snapshotting', 'sandbox.fork', 'kill', 'wait'],
    ['running', 'snapshot.create', 'kill', 'run'],
    ['running', 'sandbox.fork', 'kill', 'run'],
    ['snapshotting', 'snapshot.create', 'use', 'run'],
    ['pausing', 'sandbox.pause', 'pause', 'join'],
    ['pausing', 'sandbox.pause', 'use', 'deny'],
    ['paused', null, 'pause', 'ignore'],
    ['paused', null, 'snapshot', 'deny'],
    ['paused', null, 'rollback', 'run'],
    ['resuming', 'sandbox.resume', 'use', 'wait'],
    ['stopped', null, 'start', 'run'],
    ['stopped', null, 'resume', 'deny'],
    ['failed', null, 'start', 'run'],
    ['killing', 'sandbox.kill', 'kill', 'join'],
    ['killing', 'sandbox.kill', 'snapshot', 'deny'],
    ['killed', null, 'kill', 'deny'],
  ] as const)('a %s sandbox with %s under way, asked to %s: %s', (state, kind, request, answer) => {
    expect(decide({ id, state, timeout }, kind === null ? null : open(kind), request).do).toBe(answer)
  })

  it.each([
    ['running', null, 'use', { do: 'run' }],
    ['snapshotting', 'snapshot.create', 'use', { do: 'run' }],
    ['paused', null, 'use', { do: 'wake', by: 'resume' }],
    ['stopped', null, 'use', { do: 'wake', by: 'start' }],
    ['pausing', 'sandbox.pause', 'use', { do: 'wait' }],
    ['stopping', 'sandbox.stop', 'use', { do: 'wait' }],
    ['resuming', 'sandbox.resume', 'use', { do: 'wait' }],
    ['starting', 'sandbox.start', 'use', { do: 'wait' }],
    ['rolling_back', 'sandbox.rollback', 'use', { do: 'wait' }],
    ['creating', 'sandbox.create', 'use', { do: 'wait' }],
    ['failed', null, 'use', { do: 'deny' }],
    ['killing', 'sandbox.kill', 'use', { do: 'deny' }],
    ['killed', null, 'use', { do: 'deny' }],
    ['paused', null, 'snapshot', { do: 'deny' }],
    ['stopped', null, 'fork', { do: 'deny' }],
    ['paused', null, 'stop', { do: 'deny' }],
  ] as const)('%s with autoResume and %s under way, asked to %s', (state, kind, request, answer) => {
    const decision = decide({ id, state, timeout: { autoResume: true } }, kind === null ? null : open(kind), request)
    expect(decision).toMatchObject(answer)
  })

  it('wakes nothing without autoResume, and nothing but what rests', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...STATES),
        fc.option(fc.constantFrom(...KINDS), { nil: null }),
        fc.constantFrom(...REQUESTS),
        fc.boolean(),
        (state, kind, request, autoResume) => {
          const decision = decide({ id, state, timeout: { autoResume } }, kind === null ? null : open(kind), request)
          if (decision.do !== 'wake') return
          expect([autoResume, kind, request]).toEqual([true, null, 'use'])
          expect(nextState(state, decision.by)).not.toBeNull()
        },
      ),
    )
  })

  it('refuses a second snapshot where the caller will not wait, and says what is under way', () => {
    expect(decide({ id, state: 'snapshotting', timeout }, open('snapshot.create'), 'snapshot', 'reject')).toMatchObject(
      {
        do: 'deny',
        error: { code: 'operation_in_progress' },
      },
    )
  })

  it('never begins what the table has no arrow for, nor two things at once', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...STATES),
        fc.option(fc.constantFrom(...KINDS), { nil: null }),
        fc.constantFrom(...REQUESTS),
        fc.constantFrom('wait' as const, 'reject' as const),
        (state, kind, request, whenBusy) => {
          const decision = decide({ id, state, timeout }, kind === null ? null : open(kind), request, whenBusy)
          if (decision.do !== 'run' || request === 'use') return
          // What has let go of a sandbox that runs again may go on while that is killed.
          const beside = request === 'kill' && state === 'running'
          expect(beside ? [null, 'snapshot.create', 'sandbox.fork'] : [null]).toContain(kind)
          expect(nextState(state, request === 'fork' ? 'snapshot' : request)).not.toBeNull()
        },
      ),
    )
  })

  it('lets every sandbox be killed in the end', () => {
    for (const state of STATES) {
      if (state === 'killed' || state === 'killing') continue
      const resting = !/ing$|_back$/.test(state) || state === 'running'
      if (resting) expect(decide({ id, state, timeout }, null, 'kill').do).toBe('run')
      else expect(decide({ id, state, timeout }, open('snapshot.create'), 'kill').do).toBe('wait')
    }
  })
})

describe('what people are shown as possible', () => {
  it('is what would begin at once, and a kill that waits where something is under way', () => {
    expect(possibleRequests('running')).toEqual(['snapshot', 'fork', 'pause', 'stop', 'rollback', 'kill'])
    expect(possibleRequests('pausing')).toEqual(['kill'])
    expect(possibleRequests('killed')).toEqual([])
    for (const state of STATES) {
      for (const request of REQUESTS) {
        if (request === 'use' || request === 'kill') continue
        const begins = decide({ id, state, timeout }, null, request).do === 'run'
        expect([state, request, possibleRequests(state).includes(request)]).toEqual([state, request, begins])
      }
    }
  })
})

describe('the lifecycle table', () => {
  it('reaches every state from creating, and killed from every state', () => {
    const reach = (from: SandboxState): Set<SandboxState> => {
      const seen = new Set<SandboxState>([from])
      for (const state of seen) for (const next of Object.values(LIFECYCLE[state])) seen.add(next)
      return seen
    }
    expect([...reach('creating')].sort()).toEqual([...STATES].sort())
    for (const state of STATES) expect(reach(state)).toContain('killed')
  })
})
