import { expect, it } from 'vitest'
import { askedBuild, builtNumber } from './dockerfile-build.ts'
import { shellWords } from './shell-words.ts'

const NUMBER = '0123456789abcdef0123456789abcdef'

/** As the clients make it. */
function command(
  more: string[] = [],
  context = '/var/lib/langsmith-build/0123456789ab/context',
  dir = context,
): string {
  const words = [
    ...['buildctl', '--addr', 'unix:///x/buildkitd.sock', 'build', '--progress=plain', '--frontend', 'dockerfile.v0'],
    ...['--local', `context=${context}`, '--local', `dockerfile=${dir}`, '--opt', 'filename=Dockerfile.dev'],
    ...['--output', `type=docker,name=langsmith-snapshot-build:${NUMBER}`, ...more],
  ]
  const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`)
  return ['set -euo pipefail', 'buildkitd &', `${quoted.join(' ')} | docker load`, 'rm -rf /x || true', ''].join('\n')
}

it('a build that clients want is told from their script', () => {
  const more = ['--opt', 'target=web', '--opt', "build-arg:A=it's $X", '--opt', 'build-arg:B=']
  expect(askedBuild(command(more))).toEqual({
    where: '/var/lib/langsmith-build/0123456789ab',
    dockerfile: 'Dockerfile.dev',
    number: NUMBER,
    target: 'web',
    buildArgs: { A: "it's $X", B: '' },
  })
  const below = '/var/lib/langsmith-build/0123456789ab/context'
  expect(askedBuild(command([], below, `${below}/docker/dev`))).toMatchObject({
    dockerfile: 'docker/dev/Dockerfile.dev',
  })
})

it.each([
  ['any other command', 'echo langsmith-snapshot-build'],
  ['one with another context', command([], '/etc/context')],
  ['one whose Dockerfile is elsewhere', command([], undefined, '/etc')],
  ['one that puts it elsewhere', command().replace('type=docker', 'type=local')],
])('%s is run as it is', (_, text) => {
  expect(askedBuild(text)).toBeNull()
})

it('an image that was built so is known by its name', () => {
  expect(builtNumber(`langsmith-snapshot-build:${NUMBER}`)).toBe(NUMBER)
  for (const other of ['x', `x:${NUMBER}`, 'langsmith-snapshot-build:latest', null, 3])
    expect(builtNumber(other)).toBeNull()
})

it('words of a shell keep what is quoted', () => {
  expect(shellWords(`a 'b c' d\\ e 'it'\\''s' ''`)).toEqual(['a', 'b c', 'd e', "it's", ''])
})
