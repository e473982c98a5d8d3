import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { seriousFindings, TestBrowser } from './browser.ts'
import { World } from './world.ts'

let world: World
let browser: TestBrowser
let page: Page
beforeAll(async () => {
  ;[world, browser] = await Promise.all([World.start(), TestBrowser.launch()])
  page = await browser.page()
})
afterAll(async () => {
  await browser[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const POLL = { timeout: 30_000, interval: 50 }
const button = (name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' })
const dialog = () => page.getByRole('dialog')
const heading = (name: string) => page.getByRole('heading', { level: 1, name, exact: true })
const tab = (name: string) =>
  page.getByRole('navigation', { name: 'Parts of this sandbox' }).getByRole('link', { name })
const state = (name: string) => page.locator('.page-head .badge', { hasText: name })
const row = (text: string) => page.getByRole('row').filter({ hasText: text })
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
  await dialog().getByLabel('Name').fill('story')
  await dialog().getByLabel('Memory').fill('256M')
  await dialog().getByRole('button', { name: 'Create' }).click()
  await heading('story').waitFor()
  await state('running').waitFor()

  await tab('Terminal').click()
  await run('cd /tmp; N=41; echo "it is $((N+1))"; echo first > plan', /it is 42/)

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

  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Sandboxes' }).click()
  await row('again').waitFor()
  await page.getByLabel('Search sandboxes').fill('sto')
  await page.getByText('1 sandboxes').waitFor()
  await page.getByRole('link', { name: 'story' }).click()
  await button('Roll back').click()
  await dialog().getByLabel('Back to').waitFor()
  await dialog().getByRole('button', { name: 'Roll back' }).click()
  await page.getByText('story is rolled back').waitFor()
  await tab('Terminal').click()
  await run('echo "back at $(cat plan)"', /back at first/)

  await button('Pause').click()
  await state('paused').waitFor()
  await button('Resume').click()
  await state('running').waitFor()
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
