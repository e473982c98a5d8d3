import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DoorWorld, jsonOf, openDoorWorld } from './testing/door-world.ts'

let world: DoorWorld
beforeAll(async () => {
  world = await openDoorWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

interface Documented {
  operationId: string
  responses: Record<string, unknown>
  requestBody?: { content: Record<string, { examples?: Record<string, { value: unknown }> }> }
  parameters: { name: string; in: string; required: boolean }[]
}

it('answers every documented route for what is not there, in a documented way', async () => {
  const document = await jsonOf(await fetch(`${world.url}/v1/openapi.json`))
  const asked: string[] = []
  for (const [path, item] of Object.entries(document.paths as Record<string, Record<string, Documented>>)) {
    for (const [method, operation] of Object.entries(item)) {
      const query = operation.parameters.filter((one) => one.in === 'query' && one.required)
      const search = new URLSearchParams(query.map((one): [string, string] => [one.name, '/nothing']))
      const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? []
      const example = Object.values(media?.examples ?? {})[0]?.value
      const url = `${path.replace('{port}', '80').replaceAll(/\{\w+\}/g, 'nothing')}?${search}`.replace('/v1', '')
      const init =
        type === 'application/json' ? { body: JSON.stringify(example ?? {}), headers: { 'content-type': type } } : {}
      const response = await world.call(method.toUpperCase(), url, init)
      await response.body?.cancel()
      asked.push(operation.operationId)
      expect([operation.operationId, Object.keys(operation.responses)]).toEqual([
        operation.operationId,
        expect.arrayContaining([String(response.status)]),
      ])
      expect([operation.operationId, response.status]).not.toEqual([operation.operationId, 500])
      // What names a sandbox, snapshot, image, operation or key that is not there is not found.
      if (/\{(id|ref)\}/.test(path) && operation.operationId !== 'connectProcess') {
        expect([operation.operationId, response.status]).toEqual([operation.operationId, 404])
      }
    }
  }
  expect(asked.length).toBeGreaterThan(60)
  expect(asked).toMatchSnapshot()
  expect(world.failures).toEqual([])
})
