import { expect, it } from 'vitest'
import { imageConfig } from './image-config.ts'

it.each([
  ['is what it begins with, and the rest', ['/init', 'a'], ['/init'], { Entrypoint: ['/init'], Cmd: ['a'] }],
  ['alone', ['/init'], ['/init'], { Entrypoint: ['/init'], Cmd: [] }],
  ['means nothing before another command', ['other'], ['/init'], { Cmd: ['other'] }],
  ['that is not there', ['a', 'b'], undefined, { Cmd: ['a', 'b'] }],
  ['nor a command: a shell', [], undefined, { Cmd: ['/bin/sh'] }],
])('the entrypoint of a start command: %s', (_, startCommand, entrypoint, expected) => {
  const defaults = {
    env: {},
    user: 'root',
    workdir: '/',
    startCommand,
    ...(entrypoint === undefined ? {} : { entrypoint }),
  }
  const root = { defaults, labels: {}, createdAt: new Date(0) }
  const config = imageConfig(root, { diffIds: ['sha256:x'], history: [], added: true })
  expect(config).toMatchObject({ config: expected })
  if (!('Entrypoint' in expected)) expect(config).not.toHaveProperty('config.Entrypoint')
})
