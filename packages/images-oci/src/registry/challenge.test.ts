import { describe, expect, it } from 'vitest'
import { parseChallenges } from './challenge.ts'

describe('what a registry asks for', () => {
  it.each([
    ['Basic realm="Registry Realm"', [{ scheme: 'basic', parameters: { realm: 'Registry Realm' } }]],
    [
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull"',
      [
        {
          scheme: 'bearer',
          parameters: {
            realm: 'https://auth.example/token',
            service: 'registry.example',
            scope: 'repository:a/b:pull',
          },
        },
      ],
    ],
    [
      'BASIC , Bearer  realm = "a\\"b, c" , error=x',
      [
        { scheme: 'basic', parameters: {} },
        { scheme: 'bearer', parameters: { realm: 'a"b, c', error: 'x' } },
      ],
    ],
    ['', []],
    ['realm="nobody"', []],
    ['\u0000', []],
  ])('%j', (header, challenges) => expect(parseChallenges(header)).toEqual(challenges))

  it('is read in time, however long', () => {
    for (const piece of ['a', 'a=', 'a="', '\\', ',', 'a="\\']) parseChallenges(piece.repeat(100_000))
  })
})
