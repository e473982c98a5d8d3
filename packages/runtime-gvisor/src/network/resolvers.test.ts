import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterAll, expect, it } from 'vitest'
import { hostResolvers } from './resolvers.ts'

const dir = mkdtempSync(`${tmpdir()}/spawnpoint-resolvers-`)
afterAll(() => rmSync(dir, { recursive: true }))

function file(name: string, text: string): string {
  writeFileSync(`${dir}/${name}`, text)
  return `${dir}/${name}`
}

it('takes what the host asks, unless only the host can', async () => {
  const direct = file(
    'direct',
    '# nameserver 1.1.1.1\nsearch x\nnameserver 9.9.9.9\n  nameserver\t10.0.0.1 \nnameserver ::1\n',
  )
  const stub = file('stub', 'nameserver 127.0.0.53\noptions edns0\n')
  expect(await hostResolvers([direct])).toEqual(['9.9.9.9', '10.0.0.1'])
  expect(await hostResolvers([stub, direct])).toEqual(['9.9.9.9', '10.0.0.1'])
  expect(await hostResolvers([stub, '/no/such/file'])).toEqual([])
})
