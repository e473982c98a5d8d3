import { globSync } from 'node:fs'
import { basename, dirname, posix } from 'node:path'
import { expect, test } from 'vitest'
import { filesOf, HOMES, ROOT, textOf } from './source-tree.ts'

/** From the root, with slashes */
const DOCUMENTS = ['README.md', ...globSync(['docs/**/*.md', '{script,bench,guest,test}/**/README.md'], { cwd: ROOT })]
const LINK = /\]\(([^)\s]+)\)|<img src="([^"]+)"/g

/** Anchors as they are made of headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

test.each(DOCUMENTS)('%s links to what is there', (document) => {
  const targets = [...textOf(document).matchAll(LINK)].map(([, link, image]) => link ?? image ?? '')
  const broken = targets.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false
    const [path = '', anchor] = target.split('#')
    const at = path === '' ? document : posix.join(dirname(document), path)
    const [found] = globSync(at, { cwd: ROOT })
    if (found === undefined) return true
    return anchor !== undefined && at.endsWith('.md') && !anchorsOf(textOf(at)).includes(anchor)
  })
  expect(broken).toEqual([])
})

test('every decision has a number of its own', () => {
  const numbers = globSync('docs/decisions/*.md', { cwd: ROOT }).map((path) => basename(path).slice(0, 4))
  expect(numbers.filter((one, at) => numbers.indexOf(one) !== at)).toEqual([])
})

test('the map of docs/ARCHITECTURE.md has every package', () => {
  const map = textOf('docs/ARCHITECTURE.md')
  const names = HOMES.map((home) => (home.startsWith('apps/') ? home : basename(home)))
  expect(names.filter((name) => !map.includes(`\`${name}\``))).toEqual([])
})

test("docs/cli.md tells of every setting of the server's, and of no other", () => {
  const told = settingsIn(textOf('docs/cli.md'))
  const sources = ['apps/server', 'packages/cli', 'packages/sdk', 'packages/ledger-postgres'].flatMap(filesOf)
  const read = settingsIn(
    sources
      .filter(({ forTests }) => !forTests)
      .map(({ text }) => text)
      .join('\n'),
  )
  // Of the tests' own servers.
  const internal = ['SPAWNPOINT_AGENT', 'SPAWNPOINT_CRASH_FILE']
  expect(read.filter((name) => !told.includes(name) && !internal.includes(name))).toEqual([])
  expect(told.filter((name) => !read.includes(name))).toEqual([])
})

/** `_PORT` behind a name is one with the same beginning. */
function settingsIn(text: string): string[] {
  const whole = [...text.matchAll(/\bSPAWNPOINT_[A-Z_]+\b/g)].map(([name]) => name)
  const short = text.split('\n').flatMap((line) => {
    const [, beginning] = /`(SPAWNPOINT_(?:TLS_)?)[A-Z_]+`/.exec(line) ?? []
    return beginning === undefined ? [] : [...line.matchAll(/`_([A-Z_]+)`/g)].map(([, end]) => `${beginning}${end}`)
  })
  return [...new Set([...whole, ...short])].sort()
}
