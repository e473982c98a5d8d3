import { readFileSync } from 'node:fs'
import { GitServer } from '@spawnpoint/remotes/testing'
import type { Page } from 'playwright-core'
import { Spawnpoint } from 'spawnpoint'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { seriousFindings, TestBrowser } from './browser.ts'
import { Dashboard, POLL } from './dashboard-parts.ts'
import { storeTests } from './dashboard-store.ts'
import { useTests } from './dashboard-use.ts'
import { World } from './world.ts'

let world: World
let browser: TestBrowser
let page: Page
let dashboard: Dashboard
beforeAll(async () => {
  ;[world, browser] = await Promise.all([World.start(), TestBrowser.launch()])
  page = await browser.page()
  dashboard = new Dashboard(world, browser, page)
})
afterAll(async () => {
  await browser[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const button = (name: string | RegExp) => dashboard.button(name)
const dialog = () => dashboard.dialog()
const heading = (name: string) => dashboard.heading(name)
const nav = (name: string) => dashboard.nav(name)
const row = (text: string) => dashboard.row(text)
const tab = (name: string) =>
  page.getByRole('navigation', { name: 'Parts of this sandbox' }).getByRole('link', { name })
const state = (name: string) => page.locator('.page-head .badge', { hasText: name })
/** What the terminal shows, lines joined where they wrap */
const screen = async () =>
  (await page.locator('.xterm-rows > div').allTextContents()).join('\n').replaceAll('\u00a0', ' ')

async function run(command: string, shows: RegExp): Promise<void> {
  await page.locator('[data-terminal=open]').waitFor()
  await page.getByLabel('Terminal input').focus()
  await page.keyboard.type(command)
  await page.keyboard.press('Enter')
  await expect.poll(screen, POLL).toMatch(shows)
}

it('signs in with a key that the server knows, and no other', async () => {
  await page.goto(world.url)
  await page.getByLabel('API key').fill('sp_not_a_key')
  await button('Sign in').click()
  await page.getByText('This server does not know that key').waitFor()
  expect(await seriousFindings(page)).toEqual([])
  browser.complaints.length = 0 // the refusal, which browsers report
  await page.getByLabel('API key').fill(world.key)
  await button('Sign in').click()
  await heading('Sandboxes').waitFor()
  await button('Sign out').click()
  // A link with the key behind the #, as script/up prints it: the key does not stay in the address.
  await page.goto(`${world.url}/#key=${world.key}`)
  await page.reload()
  await heading('Sandboxes').waitFor()
  expect(page.url()).toBe(`${world.url}/sandboxes`)
})

it('creates a sandbox, types in its terminal, takes snapshots, restores one and rolls back', async () => {
  await button('New sandbox').click()
  await dialog().getByLabel('Name').fill('Not a name')
  await dialog().getByText('beginning with a letter').waitFor()
  expect(await dialog().getByRole('button', { name: 'Create' }).isDisabled()).toBe(true)
  await dialog().getByText('Network, volumes, schedule, variables').click()
  expect(await seriousFindings(page)).toEqual([])
  await dialog().getByLabel('Name').fill('story')
  await dialog().getByLabel('Memory').fill('256M')
  await dialog().getByRole('button', { name: 'Create' }).click()
  await heading('story').waitFor()
  await state('running').waitFor()

  await tab('Terminal').click()
  await run('cd /tmp; N=41; echo "it is $((N+1))"; echo first > plan', /it is 42/)
  // The shell is told how much room the window leaves it.
  const waits = 'until [ "$(stty size)" != "$was" ]; do sleep 0.1; done'
  await run(`was=$(stty size); echo "was $((N+2))"; ${waits}; echo "is $((N+3))"`, /was 43/)
  await page.setViewportSize({ width: 900, height: 800 })
  await expect.poll(screen, POLL).toMatch(/is 44/)
  await page.setViewportSize({ width: 1280, height: 800 })

  await button('Snapshot').click()
  await dialog().getByLabel('Name').fill('ready')
  await dialog().getByRole('button', { name: 'Take snapshot' }).click()
  await tab('Snapshots').click()
  await row('ready').getByText('memory', { exact: true }).waitFor()
  await row('ready').locator('.badge.good').waitFor()

  // What happens after it is not in it.
  await tab('Terminal').click()
  await run('echo second > plan; echo "$(cat plan) is written"', /second is written/)
  await tab('Snapshots').click()
  await button('Restore ready').click()
  await dialog().getByLabel('Name of the new sandbox').fill('again')
  await dialog().getByRole('button', { name: 'Restore' }).click()
  await heading('again').waitFor()
  // The shell itself goes on, with its variables and what it showed.
  await tab('Terminal').click()
  await expect.poll(screen, POLL).toMatch(/it is 42/)
  await run('echo "$N then, $(cat plan) now"', /41 then, first now/)

  await nav('Sandboxes').click()
  await row('again').waitFor()
  await page.getByLabel('Search sandboxes').fill('sto')
  await page.getByText('1 sandbox', { exact: true }).waitFor()
  await page.getByRole('link', { name: 'story' }).click()
  await button('Roll back').click()
  await dialog().getByLabel('Back to').waitFor()
  await dialog().getByRole('button', { name: 'Roll back' }).click()
  await page.getByText('story is rolled back').waitFor()
  // Anew: what is typed must not meet the page on its way from one life of the sandbox to the next.
  await page.goto(`${world.url}/sandboxes/${(await world.client.sandboxes.get('story')).id}/terminal`)
  await run('echo "back at $(cat plan)"', /back at first/)

  await button('Pause').click()
  await state('paused').waitFor()
  await button('Resume').click()
  await state('running').waitFor()
})

it('deletes with a look at what that would do, and brings back', async () => {
  await nav('Snapshots').click()
  await button('Actions for ready').click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  await dialog()
    .getByText(/again.*they live on/)
    .waitFor()
  await dialog().getByRole('button', { name: 'Delete' }).click()
  await row('ready').waitFor({ state: 'detached' })
  await page.getByLabel('Shelf').selectOption('In the trash')
  await button('Bring back ready').click()
  await page.getByText('ready is back').waitFor()
  await page.getByLabel('Shelf').selectOption('Kept')
  await row('ready').locator('.badge.good').waitFor()
})

it('shows what came from what, and acts on it from there', async () => {
  await nav('Lineage').click()
  const tree = page.getByRole('region', { name: 'Tree of sandboxes and snapshots' })
  const node = (name: RegExp) => tree.getByRole('button', { name })
  await node(/^base image/).waitFor()
  await node(/^story running/).waitFor()
  await node(/^again .*level 4/).waitFor()
  // All of it can be seen: it is made as small as it must be.
  await expect.poll(() => tree.evaluate((element) => element.scrollWidth - element.clientWidth), POLL).toBe(0)
  await node(/^ready memory/).click()
  const selected = page.getByRole('complementary', { name: 'Selected' })
  await selected.getByText('Stood still').waitFor()
  const story = await world.client.sandboxes.get('story')
  const before = story.info.startedAt?.getTime()
  await selected.getByRole('button', { name: 'Roll story back to it' }).click()
  await dialog().getByRole('button', { name: 'Roll back' }).click()
  await expect.poll(async () => (await story.refresh()).info.startedAt?.getTime(), POLL).not.toBe(before)
  await node(/^story running/).waitFor()
})

it('edits, uploads and downloads files, and opens a port', async () => {
  const story = await world.client.sandboxes.get('story')
  await page.goto(`${world.url}/sandboxes/${story.id}/files`)
  await page.getByRole('table', { name: 'Files in /home/user' }).waitFor()
  await page.getByLabel('Files to upload').setInputFiles({
    name: 'hello.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('Grüße\n'),
  })
  await button('hello.txt').click()
  await dialog().getByLabel('Content').fill('Grüße aus dem Browser\n')
  await dialog().getByRole('button', { name: 'Save' }).click()
  await dialog().waitFor({ state: 'detached' })
  await button('Actions for hello.txt').click()
  const download = page.waitForEvent('download')
  await page.getByRole('menuitem', { name: 'Download' }).click()
  expect(readFileSync(await (await download).path(), 'utf8')).toBe('Grüße aus dem Browser\n')

  await story.processes.start(['python3', '-m', 'http.server', '8000', '--bind', '127.0.0.1'], { background: true })
  await tab('Ports').click()
  const opened = page.waitForEvent('popup')
  await page.getByRole('link', { name: /8000-.*localhost/ }).click()
  await (await opened).getByRole('link', { name: 'hello.txt' }).waitFor()
  await (await opened).close()
  await tab('Programs').click()
  await row('http.server')
    .getByRole('button', { name: /^Output/ })
    .click()
  await page.locator('.log', { hasText: 'GET / HTTP/1.1' }).waitFor()
})

it('compares a sandbox with its snapshot, and opens the snapshot without starting it', async () => {
  await nav('Lineage').click()
  await page.getByRole('button', { name: /^ready memory/ }).click()
  await page.getByRole('link', { name: 'Compare with story now' }).click()
  const files = page.getByRole('table', { name: 'Files' })
  const added = files.getByRole('row').filter({ hasText: '/home/user/hello.txt' })
  await added.getByText('added').waitFor()
  await page.getByRole('table', { name: 'Processes' }).getByRole('row').filter({ hasText: 'http.server' }).waitFor()
  await page.getByRole('table', { name: 'Ports' }).getByRole('row').filter({ hasText: '8000' }).waitFor()
  await added.getByRole('button').click()
  await dialog().getByText('+Grüße aus dem Browser').waitFor()
  await dialog().getByRole('button', { name: 'Close' }).click()

  await nav('Snapshots').click()
  await page.getByRole('link', { name: 'ready', exact: true }).click()
  await page.getByText('Started for a trial').waitFor()
  await button('Try out').click()
  await page.getByText('A sandbox starts from ready').waitFor()
  expect((await world.client.snapshots.get('ready')).info.verifiedAt).not.toBeNull()
  await dashboard.choose('More for ready', 'Pin')
  await page.getByText('not: it is pinned').waitFor()
  const parts = page.getByRole('navigation', { name: 'Parts of this snapshot' })
  await parts.getByRole('link', { name: 'Files' }).click()
  await page.getByLabel('Search below /').fill('os-release')
  await button('Search').click()
  await row('/etc/os-release').first().waitFor()
  await button('Back to the directory').click()
  await button('etc/').click()
  await button('hostname').click()
  await dialog().getByText('story').waitFor()
  await dialog().getByRole('button', { name: 'Close' }).click()
  await parts.getByRole('link', { name: 'What ran' }).click()
  await row('bash').first().waitFor()
})

it('makes a key that may only look, and shows in the audit log who did what', async () => {
  await nav('Keys').click()
  await button('New key').click()
  await dialog().getByLabel('Name').fill('watcher')
  await dialog().getByLabel('Whose').fill('ana@example.com')
  await dialog()
    .getByRole('checkbox', { name: /^write/ })
    .uncheck()
  await dialog().getByRole('button', { name: 'Make' }).click()
  const secret = await dialog().getByText(/^sp_/).textContent()
  await dialog().getByRole('button', { name: 'Done' }).click()
  await row('watcher').getByText('ana@example.com').waitFor()
  const watcher = new Spawnpoint({ url: world.url, apiKey: secret ?? '' })
  expect((await watcher.sandboxes.get('story')).name).toBe('story')
  await expect(watcher.sandboxes.create({ image: 'base' })).rejects.toMatchObject({ code: 'forbidden' })
  // Whoever looks with it sees what there is, what cannot be done and why.
  const looking = await browser.stranger()
  await looking.goto(`${world.url}/#key=${secret}`)
  const create = looking.getByRole('button', { name: 'New sandbox' })
  await looking.locator('.button[aria-disabled]').filter({ hasText: 'New sandbox' }).waitFor()
  expect(await create.getAttribute('title')).toBe('Not with this key: ‘watcher’ lacks the scope ‘write’')
  await looking.getByRole('button', { name: 'Actions for story' }).click()
  await looking.getByRole('menuitem', { name: 'Kill' }).and(looking.locator('[aria-disabled=true]')).waitFor()
  await looking.getByRole('menu').getByText('lacks the scope ‘write’').waitFor()
  expect(await seriousFindings(looking)).toEqual([])
  expect(await looking.getByRole('link', { name: 'Keys' }).count()).toBe(0)
  await looking.goto(`${world.url}/settings`)
  await looking.getByText('ana@example.com').waitFor()
  await looking.close()
  await nav('Audit').click()
  await row('sandboxes.create').filter({ hasText: 'ana@example.com' }).getByText('forbidden').waitFor()
  await row('snapshots.delete').first().waitFor()
  await nav('Usage').click()
  await page
    .getByRole('region', { name: /limits/ })
    .getByText('Sandboxes that run')
    .waitFor()
  await page.getByRole('img', { name: 'Sandboxes ran by day' }).waitFor()
})

storeTests(() => dashboard)

useTests(() => dashboard)

it('shows what a sandbox has of elsewhere, and how new that is', async () => {
  await using git = await GitServer.open()
  const version = git.commit('app', { 'README.md': 'hello' })
  const source = { type: 'git', url: git.urlOf('app') } as const
  await using stack = new AsyncDisposableStack()
  const remotes = [{ name: 'app', path: '/srv/app', source, refreshMs: 3_600_000 }]
  const sandbox = await world.client.sandboxes.create({ image: 'base', remotes })
  stack.defer(() => sandbox.kill())
  await page.goto(`${world.url}/sandboxes/${sandbox.id}`)
  const panel = page.locator('.panel').filter({ has: page.getByRole('heading', { name: 'Files of elsewhere' }) })
  await panel.getByText(`commit ${version.slice(0, 12)}; looked at every 60 min while it runs`).waitFor()
  expect(await panel.textContent()).toContain(`/srv/appapp ${git.urlOf('app')}`)
  expect(await seriousFindings(page)).toEqual([])
})

it('shows what happens elsewhere as it happens', async () => {
  await page.goto(`${world.url}/sandboxes`)
  await row('again').waitFor()
  const other = await world.client.sandboxes.get('again')
  await other.pause()
  await row('again').getByText('paused').waitFor()
  await other.kill()
  await row('again').waitFor({ state: 'detached' })
})

it('had nothing to complain of in the browser', () => {
  expect(browser.complaints).toEqual([])
})
