import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** For a step of a page; sandboxes that start on a busy machine take seconds. */
const WITHIN_MS = 30_000
/**
 * Chromium gives up what it loads when an address of the machine comes or goes, as those of other tests' networks do, and says
 * so. It loads that again: what a page then lacks, the tests of the page miss.
 */
const NETWORK_CHANGED = 'net::ERR_NETWORK_CHANGED'

export interface Finding {
  rule: string
  impact: string
  where: string
}

/** Debian's Chromium. What a page reports as an error, and what its policy refused, is kept in `complaints`. */
export class TestBrowser implements AsyncDisposable {
  readonly complaints: string[] = []
  readonly #browser: Browser
  readonly #context: BrowserContext

  private constructor(browser: Browser, context: BrowserContext) {
    this.#browser = browser
    this.#context = context
  }

  static async launch(): Promise<TestBrowser> {
    // As root it has no sandbox of its own; it shows our pages alone.
    const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu']
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args })
    return new TestBrowser(browser, await contextOf(browser))
  }

  async page(context = this.#context): Promise<Page> {
    const page = await context.newPage()
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes(NETWORK_CHANGED))
        this.complaints.push(`${message.text()} ${message.location().url}`)
    })
    page.on('pageerror', (error) => this.complaints.push(String(error)))
    return page
  }

  /** A page of somebody who was never here: nothing is stored, nothing in the cache. */
  async stranger(): Promise<Page> {
    return this.page(await contextOf(this.#browser))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close()
  }
}

async function contextOf(browser: Browser): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light' })
  context.setDefaultTimeout(WITHIN_MS)
  return context
}

/** What hinders people, by axe's rules of WCAG 2.2 A and AA; only what is serious or worse. `colours`: of these alone. */
export async function seriousFindings(page: Page, only?: 'colours'): Promise<Finding[]> {
  // Not as an element of the page, whose policy would refuse it.
  if (!(await page.evaluate("'axe' in globalThis"))) await page.evaluate(AXE)
  return page.evaluate(async (colours) => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(
          context: object,
          options: object,
        ): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>
      }
    }
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
    const { violations } = await axe.run(
      { exclude: ['.xterm-helpers'] },
      { runOnly: colours ? ['color-contrast'] : tags },
    )
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, impact, nodes }) => nodes.map(({ html }) => ({ rule: id, impact, where: html.slice(0, 200) })))
  }, only === 'colours')
}
