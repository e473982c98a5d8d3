import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DoorWorld, eventsOf, jsonOf, openDoorWorld, type SentEvent, seen } from '../testing/door-world.ts'

let world: DoorWorld
beforeAll(async () => {
  world = await openDoorWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

describe('long work', () => {
  it.each([
    ['?wait=false', {}],
    ['', { prefer: 'respond-async' }],
  ])('is accepted with %s %o and can be followed to its end', async (query, headers) => {
    const accepted = await world.post(`/sandboxes${query}`, { image: 'base' }, headers as Record<string, string>)
    const sandbox = await jsonOf(accepted)
    expect([accepted.status, sandbox.state]).toEqual([202, 'creating'])
    const location = accepted.headers.get('location') ?? ''
    const response = await world.get(`${location.replace('/v1', '')}/events`)
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    const changes: SentEvent[] = []
    for await (const change of eventsOf(response)) changes.push(change)
    expect(changes.at(-1)).toMatchObject({
      event: 'operation',
      data: { operation: { kind: 'sandbox.create', state: 'done' } },
    })
    expect(await seen(await world.get(location.replace('/v1', '')))).toMatchObject([
      200,
      { state: 'done', sandboxId: sandbox.id },
    ])
    expect(
      await jsonOf(await world.get(`/operations?sandbox=${sandbox.id}&kind=sandbox.create&state=done`)),
    ).toMatchObject({
      items: [{ sandboxId: sandbox.id }],
      nextCursor: null,
    })
  })

  it('tells of work that failed', async () => {
    world.host.faults.failNext('runtime.start')
    const answer = await world.post('/sandboxes', { image: 'base' })
    expect(answer.status).toBeGreaterThanOrEqual(500)
    const [latest] = (await jsonOf(await world.get('/operations?limit=1'))).items
    expect(latest).toMatchObject({ kind: 'sandbox.create', state: 'failed', error: { code: expect.any(String) } })
    expect(latest).not.toHaveProperty('detail')
    world.failures.length = 0
  })

  it('refuses to follow what is not there', async () => {
    expect((await world.get('/operations/nothing/events')).status).toBe(404)
    expect((await world.get('/sandboxes/nothing/events', { accept: 'text/event-stream' })).status).toBe(404)
    expect((await world.get('/events?sandbox=nothing', { accept: 'text/event-stream' })).status).toBe(404)
  })
})

it('refuses a cursor of events that are not kept any more, in a page and in a stream', async () => {
  const id = await world.sandbox()
  const { items } = await jsonOf(await world.get('/events?limit=1'))
  const known = String(items[0].seq)
  const tables = world.host.ledger.committed
  const keptAfter = tables.lastSeq
  tables.events.length = 0
  for (const team of new Set([...tables.sandboxes.values()].map(({ teamId }) => teamId))) {
    tables.purgedEvents.set(team, keptAfter)
  }
  const problem = { code: 'cursor_expired', context: { cursor: Number(known), keptAfter } }
  const stream = { accept: 'text/event-stream' }
  for (const path of ['/events', `/sandboxes/${id}/events`]) {
    expect(await seen(await world.get(`${path}?cursor=${known}`))).toMatchObject([410, problem])
    expect(await seen(await world.get(path, { ...stream, 'last-event-id': known }))).toMatchObject([410, problem])
    expect((await world.get(`${path}?cursor=${keptAfter}`)).status).toBe(200)
    expect(await seen(await world.get(path))).toMatchObject([200, { items: [] }])
  }
})

describe('idempotency', () => {
  it('answers a repeat as the first time', async () => {
    const headers = { 'idempotency-key': 'make-one' }
    const first = await world.post('/sandboxes?wait=false', { image: 'base', labels: { a: '1' } }, headers)
    const again = await world.post('/sandboxes?wait=false', { labels: { a: '1' }, image: 'base' }, headers)
    expect([first.status, again.status]).toEqual([202, 202])
    expect([first.headers.get('idempotency-replayed'), again.headers.get('idempotency-replayed')]).toEqual([
      null,
      'true',
    ])
    expect(again.headers.get('location')).toBe(first.headers.get('location'))
    expect(await jsonOf(again)).toEqual(await jsonOf(first))
    const other = await world.post('/sandboxes?wait=false', { image: 'base' }, headers)
    expect(await seen(other)).toMatchObject([422, { code: 'idempotency_mismatch' }])
  })

  it('spawns once under a key', async () => {
    const origin = await world.sandbox()
    const { id } = await jsonOf(await world.post(`/sandboxes/${origin}/snapshots`, { kind: 'memory' }))
    const spawn = () => world.post(`/snapshots/${id}/spawn`, {}, { 'idempotency-key': 'spawn-one' })
    const first = await spawn()
    const again = await spawn()
    expect([first.status, again.status]).toEqual([201, 201])
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    const child = await jsonOf(first)
    expect(await jsonOf(again)).toEqual(child)
    const { items } = await jsonOf(await world.get(`/sandboxes?snapshot=${id}`))
    expect(items).toMatchObject([{ id: child.id }])
  })

  it('keeps a refusal and tells it again as one', async () => {
    const id = await world.sandbox()
    await world.call('DELETE', `/sandboxes/${id}`)
    const headers = { 'idempotency-key': 'pause-the-dead' }
    const first = await world.post(`/sandboxes/${id}/pause`, undefined, headers)
    const again = await world.post(`/sandboxes/${id}/pause`, undefined, headers)
    expect([first.status, again.status]).toEqual([404, 404])
    expect(again.headers.get('content-type')).toContain('application/problem+json')
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(await jsonOf(again)).toMatchObject({ code: 'not_found' })
  })

  it('does not keep what trying again may mend', async () => {
    const headers = { 'idempotency-key': 'try-again' }
    world.host.faults.failNext('runtime.start')
    expect((await world.post('/sandboxes', { image: 'base' }, headers)).status).toBeGreaterThanOrEqual(500)
    expect((await world.post('/sandboxes', { image: 'base' }, headers)).status).toBe(201)
    world.failures.length = 0
  })

  it('says so while the first is under way', async () => {
    const hang = world.host.faults.hang('runtime.start')
    const headers = { 'idempotency-key': 'slow' }
    const first = world.post('/sandboxes', { image: 'base' }, headers)
    await hang.reached
    const second = await world.post('/sandboxes', { image: 'base' }, headers)
    expect([second.status, second.headers.get('retry-after')]).toEqual([409, '1'])
    expect((await jsonOf(second)).code).toBe('operation_in_progress')
    hang.release()
    expect((await first).status).toBe(201)
  })

  it('refuses a key that is none', async () => {
    expect((await world.post('/sandboxes', { image: 'base' }, { 'idempotency-key': 'a b' })).status).toBe(400)
    expect((await world.post('/sandboxes', { image: 'base' }, { 'idempotency-key': 'x'.repeat(256) })).status).toBe(400)
  })
})

describe('events', () => {
  it('are pages, and pages go on', async () => {
    const id = await world.sandbox()
    await world.post(`/sandboxes/${id}/pause`)
    const all = (await jsonOf(await world.get(`/sandboxes/${id}/events`))).items
    expect(all.length).toBeGreaterThanOrEqual(2)
    const { items, nextCursor } = await jsonOf(await world.get(`/events?sandbox=${id}&limit=1`))
    expect([items[0].seq, nextCursor]).toEqual([all[0].seq, String(all[0].seq)])
    expect((await jsonOf(await world.get(`/events?sandbox=${id}&cursor=${nextCursor}`))).items).toEqual(all.slice(1))
  })

  it('are streamed, go on where a client left off, and end with the client', async () => {
    const id = await world.sandbox()
    const accept = { accept: 'text/event-stream' }
    const leave = new AbortController()
    const response = await world.call('GET', `/sandboxes/${id}/events`, { headers: accept, signal: leave.signal })
    const stream = eventsOf(response)
    const first = (await stream.next()).value as { id: string; data: { seq: number; type: string } }
    expect(Number(first.id)).toBe(first.data.seq)
    let last = first
    void world.post(`/sandboxes/${id}/stop`)
    while (last.data.type !== 'sandbox.stopped') last = (await stream.next()).value as typeof first
    leave.abort()

    const resumed = await world.call('GET', `/sandboxes/${id}/events`, {
      headers: { ...accept, 'last-event-id': first.id },
    })
    const next = (await eventsOf(resumed).next()).value as typeof first
    expect(next.data.seq).toBeGreaterThan(first.data.seq)
    expect((await world.get('/events', { ...accept, 'last-event-id': 'x' })).status).toBe(400)
  })
})
