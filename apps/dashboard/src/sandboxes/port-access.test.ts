import { expect, it } from 'vitest'
import { parsePorts, portsText } from './port-access.ts'

it('reads what it writes, and tells what is no port', () => {
  const ports = { '8080': 'open', '9000': 'token', '22': 'closed' } as const
  expect(parsePorts(portsText(ports))).toEqual({ ports })
  expect(parsePorts('')).toEqual({ ports: {} })
  for (const bad of ['8080', '0=open', '70000=open', '80=all', 'x=open'])
    expect(parsePorts(bad)).toHaveProperty('error')
})
