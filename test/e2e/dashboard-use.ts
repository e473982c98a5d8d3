import { expect, it } from 'vitest'
import { seriousFindings } from './browser.ts'
import { type Dashboard, PAGES, POLL } from './dashboard-parts.ts'

const PHONE = { width: 390, height: 844 }
const DESKTOP = { width: 1280, height: 800 }

/** Whoever uses it: by keyboard, on a phone, with a reader, for the first time. */
export function useTests(at: () => Dashboard): void {
  /** What the focus is on, as readers are told: nothing of the page is "" */
  const focused = async () => {
    const element = at().page.locator(':focus')
    if ((await element.count()) === 0) return ''
    return (await element.getAttribute('aria-label')) ?? (await element.textContent()) ?? ''
  }

  /** No serious finding of axe's in light or dark, and nothing wider than a phone. */
  async function hinders(paths: readonly string[]): Promise<void> {
    const { page } = at()
    const findings = []
    for (const path of paths) {
      await at().goto(path)
      // What is on a page is the same in both; what may be hard to see is not.
      for (const finding of await seriousFindings(page)) findings.push({ path, ...finding })
      await page.emulateMedia({ colorScheme: 'dark' })
      for (const finding of await seriousFindings(page, 'colours')) findings.push({ path, dark: true, ...finding })
      await page.emulateMedia({ colorScheme: 'light' })
      await page.setViewportSize(PHONE)
      const width = await page.evaluate<number>('document.documentElement.scrollWidth')
      if (width > PHONE.width) findings.push({ path, width })
      await page.setViewportSize(DESKTOP)
    }
    expect(findings).toEqual([])
  }

  it('hinders nobody on any of its pages, light or dark, and keeps in the width of a phone', () => hinders(PAGES))

  it('nor on those of a sandbox, of a snapshot, and of what has changed', async () => {
    const { world } = at()
    const { id } = await world.client.sandboxes.get('story')
    const { id: ready } = await world.client.snapshots.get('ready')
    const tabs = ['', '/terminal', '/files', '/programs', '/ports', '/metrics', '/snapshots', '/credentials', '/events']
    await hinders([
      ...tabs.map((name) => `/sandboxes/${id}${name}`),
      ...['', '/files', '/ran'].map((name) => `/snapshots/${ready}${name}`),
      `/compare?before=snapshot.${ready}&after=sandbox.${id}`,
    ])
  })

  it('is reached by keyboard: the order of the focus, shortcuts, menus and dialogs that give it back', async () => {
    const { page, button, dialog, heading } = at()
    await at().goto('/sandboxes')
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('Skip to content')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('New sandbox')
    await page.keyboard.press('Enter')
    await dialog().locator('select:focus').waitFor()
    // Round and round, and never out of it: at its ends are elements that lead back.
    const inDialog = page.locator('.dialog :focus, .dialog:focus, [data-base-ui-focus-guard]:focus')
    for (let step = 0; step < 16; step += 1) {
      await page.keyboard.press('Tab')
      await expect.poll(() => inDialog.count(), POLL).toBe(1)
    }
    await page.keyboard.press('Escape')
    await dialog().waitFor({ state: 'detached' })
    await expect.poll(focused, POLL).toBe('New sandbox')

    await page.keyboard.press('/')
    await expect.poll(focused, POLL).toBe('Search sandboxes')
    await page.keyboard.type('sto?') // which is typed, and is no shortcut here
    await page.getByText('Nothing matches “sto?”').waitFor()
    await page.keyboard.press('Backspace')
    await page.getByText('1 sandbox', { exact: true }).waitFor()
    await page.reload()
    await page.getByText('1 sandbox', { exact: true }).waitFor()

    await button('Actions for story').focus()
    await page.keyboard.press('Enter')
    await page.getByRole('menuitem', { name: 'Snapshot' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('menu').waitFor({ state: 'detached' })
    await expect.poll(focused, POLL).toBe('Actions for story')

    await page.keyboard.press('g')
    await page.keyboard.press('v')
    await heading('Volumes').waitFor()
    await page.keyboard.press('n')
    await dialog().getByText('New volume').waitFor()
    await page.keyboard.press('Escape')
    await dialog().waitFor({ state: 'detached' })
    await page.keyboard.press('?')
    await dialog().getByLabel('Single keys do these things').uncheck()
    await at().submit('Close')
    await page.keyboard.press('n')
    await page.keyboard.press('g')
    await page.keyboard.press('s')
    expect(await dialog().count()).toBe(0)
    await heading('Volumes').waitFor()
    await page.evaluate('localStorage.clear()')
  })

  it('has all of its menu on a phone, and dialogs that fit', async () => {
    const { page, button, dialog, nav, heading, world } = at()
    const { id } = await world.client.sandboxes.get('story')
    await page.setViewportSize(PHONE)
    await at().goto('/sandboxes')
    expect(await nav('Teams').isVisible()).toBe(false)
    await button('Menu').click()
    for (const link of await page.getByRole('navigation', { name: 'Pages' }).getByRole('link').all())
      expect((await link.boundingBox())?.width).toBeGreaterThan(300)
    await page.keyboard.press('Escape')
    await nav('Teams').waitFor({ state: 'hidden' })
    await expect.poll(focused, POLL).toBe('Menu')
    await button('Menu').click()
    await nav('Teams').click()
    await heading('Teams').waitFor()
    await nav('Teams').waitFor({ state: 'hidden' })

    // Keys that its keyboard has not.
    await at().goto(`/sandboxes/${id}/terminal`)
    // Before its first prompt a shell heeds nothing.
    await page.locator('.xterm-rows', { hasText: '$' }).waitFor()
    await button('Control C').click()
    await page.locator('.xterm-rows', { hasText: '^C' }).waitFor()

    for (const [path, opener] of [
      ['/sandboxes', 'New sandbox'],
      ['/images', 'Build'],
      ['/teams', 'New team'],
      [`/sandboxes/${id}`, 'Change network'],
      [`/sandboxes/${id}`, 'Snapshot'],
    ] as const) {
      await at().goto(path)
      await button(opener).click()
      await dialog().evaluate((element) => {
        for (const details of element.querySelectorAll('details')) details.open = true
      })
      const last = dialog().locator('.dialog-foot .button').last()
      for (const box of [await dialog().boundingBox(), await last.boundingBox()]) {
        expect(box?.x, opener).toBeGreaterThanOrEqual(0)
        expect(box?.y, opener).toBeGreaterThanOrEqual(0)
        expect((box?.x ?? 0) + (box?.width ?? PHONE.width), opener).toBeLessThanOrEqual(PHONE.width)
        expect((box?.y ?? 0) + (box?.height ?? PHONE.height), opener).toBeLessThanOrEqual(PHONE.height)
      }
      expect(await dialog().evaluate((element) => element.scrollWidth - element.clientWidth), opener).toBe(0)
      await page.keyboard.press('Escape')
      await dialog().waitFor({ state: 'detached' })
    }
    await page.setViewportSize(DESKTOP)
  })

  it('tells how long it takes to load', async () => {
    const { world, browser } = at()
    const times = []
    for (let round = 0; round < 3; round += 1) {
      const page = await browser.stranger()
      const began = performance.now()
      await page.goto(`${world.url}/#key=${world.key}`)
      await page.getByRole('row').filter({ hasText: 'story' }).waitFor()
      times.push(Math.round(performance.now() - began))
      await page.context().close()
    }
    console.log(`The list of sandboxes was there after ${times.join(', ')} ms, from an empty cache`)
    expect(times).toHaveLength(3)
  })
}
