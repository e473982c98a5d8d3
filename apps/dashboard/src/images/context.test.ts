import { expect, it } from 'vitest'
import { contextError, contextText, pathIn } from './context.ts'

const file = (webkitRelativePath: string, size = 1) => ({
  name: webkitRelativePath.split('/').at(-1) ?? '',
  size,
  lastModified: 0,
  webkitRelativePath,
})

it('is what is in the directory, without its name', () => {
  expect(['app/Dockerfile', 'app/src/main.py'].map((path) => pathIn(file(path)))).toEqual(['Dockerfile', 'src/main.py'])
  expect(contextText([file('app/Dockerfile'), file('app/src/main.py')])).toBe('app, 2 files')
})

it('is an archive by its own name', () => {
  expect(contextText([{ ...file(''), name: 'app.tar.gz' }])).toBe('app.tar.gz')
  expect(contextText([])).toBe('nothing')
})

it('tells when it is too much for a browser', () => {
  expect(contextError([file('a/b', 512 * 2 ** 20)])).toBeNull()
  expect(contextError([file('a/b', 512 * 2 ** 20), file('a/c')])).toMatch('spawnpoint image build')
})
