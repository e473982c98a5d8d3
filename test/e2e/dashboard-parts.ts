import type { Locator, Page } from 'playwright-core'
import { expect } from 'vitest'
import type { TestBrowser } from './browser.ts'
import type { World } from './world.ts'

export const POLL = { timeout: 30_000, interval: 50 }

export const PAGES = ['sandboxes', 'snapshots', 'lineage', 'compare', 'schedules', 'images', 'volumes', 'registries']
  .concat('secrets', 'usage', 'keys', 'audit', 'teams', 'settings')
  .map((page) => `/${page}`)

/** The dashboard in a browser, by what people see of it. */
export class Dashboard {
  readonly world: World
  readonly browser: TestBrowser
  readonly page: Page

  constructor(world: World, browser: TestBrowser, page: Page) {
    this.world = world
    this.browser = browser
    this.page = page
  }

  readonly button = (name: string | RegExp): Locator =>
    this.page.getByRole('button', { name, exact: typeof name === 'string' })
  /** Messages are dialogs too, for readers. */
  readonly dialog = (): Locator => this.page.getByRole('dialog').and(this.page.locator('.dialog'))
  readonly heading = (name: string): Locator => this.page.getByRole('heading', { level: 1, name, exact: true })
  readonly nav = (name: string): Locator =>
    this.page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name })
  readonly row = (text: string): Locator => this.page.getByRole('row').filter({ hasText: text })

  /** A button of the dialog that is open; waits until that has closed. */
  async submit(name: string): Promise<void> {
    await this.dialog().getByRole('button', { name, exact: true }).click()
    await this.dialog().waitFor({ state: 'detached' })
  }

  /** Of the menu of a row, or of a page */
  async choose(menu: string, entry: string): Promise<void> {
    await this.button(menu).click()
    await this.page.getByRole('menuitem', { name: entry, exact: true }).click()
  }

  async goto(path: string): Promise<void> {
    await this.page.goto(this.world.url + path)
    await this.page.locator('h1').waitFor()
    await expect.poll(() => this.page.locator('.loading').count(), POLL).toBe(0)
  }

  /** A request that was to be refused: browsers tell of it as they tell of what went wrong. */
  refusedWith(status: number): void {
    expect(this.browser.complaints.splice(0)).toEqual([expect.stringContaining(String(status))])
  }
}
