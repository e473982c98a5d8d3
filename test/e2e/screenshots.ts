import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import type { Spawnpoint } from 'spawnpoint'
import { TestBrowser } from './browser.ts'
import { REPOSITORY, World } from './world.ts'

/** Takes the pictures that the README shows, of a server of its own: `script/screenshots`. */
const INTO = join(REPOSITORY, 'docs/screenshots')

const PROGRAM = `import time
seen = 0
while True:
    seen += 1
    print(f"\\rchecked {seen} orders", end="", flush=True)
    time.sleep(0.02)
`

async function main(): Promise<void> {
  mkdirSync(INTO, { recursive: true })
  await using world = await World.start()
  await using browser = await TestBrowser.launch()
  const page = await browser.page()
  await page.setViewportSize({ width: 1180, height: 720 })
  const ids = await scene(world.client)
  await page.goto(`${world.url}/#key=${world.key}`)
  await page.getByRole('row').nth(4).waitFor()
  await take(page, 'sandboxes')

  await page.goto(`${world.url}/sandboxes/${ids.agent}/terminal`)
  await page.locator('[data-terminal=open]').waitFor()
  await page.getByLabel('Terminal input').focus()
  await page.keyboard.type('ls && python3 -m unittest -v 2>&1 | tail -4')
  await page.keyboard.press('Enter')
  await page.locator('.xterm-rows', { hasText: 'OK' }).waitFor()
  await page.emulateMedia({ colorScheme: 'dark' })
  await take(page, 'terminal')

  await page.emulateMedia({ colorScheme: 'light' })
  await page.goto(`${world.url}/lineage`)
  await page.getByRole('button', { name: /^tests-green/ }).click()
  await take(page, 'lineage')

  await page.goto(`${world.url}/compare?before=snapshot.${ids.ready}&after=sandbox.${ids.agent}`)
  await page.getByRole('table', { name: 'Memory by process' }).waitFor()
  await take(page, 'compare')

  await page.goto(`${world.url}/snapshots`)
  await page.getByRole('row').nth(3).waitFor()
  await page.emulateMedia({ colorScheme: 'dark' })
  await take(page, 'snapshots')

  await page.setViewportSize({ width: 390, height: 844 })
  await page.emulateMedia({ colorScheme: 'light' })
  await page.goto(`${world.url}/sandboxes`)
  await page.getByRole('row').nth(4).waitFor()
  await take(page, 'phone')
}

/** An agent's sandbox, three tries that began where it was ready, and what came of them. */
async function scene(client: Spawnpoint): Promise<{ agent: string; ready: string }> {
  const agent = await client.sandboxes.create({
    image: 'base',
    name: 'agent',
    labels: { project: 'checkout' },
    resources: { cpus: 1, memoryBytes: 512 * 2 ** 20 },
    timeout: { timeoutMs: 2 * 3_600_000, onTimeout: 'pause' },
  })
  await agent.files.write('orders.py', 'def total(items):\n    return sum(price * count for price, count in items)\n')
  await agent.files.write(
    'test_orders.py',
    'import unittest\nfrom orders import total\n\nclass Orders(unittest.TestCase):\n    def test_total(self):\n        self.assertEqual(total([(2, 3), (1, 4)]), 10)\n',
  )
  await agent.files.write('watch.py', PROGRAM)
  await agent.processes.start(['python3', 'watch.py'], { background: true, tag: 'watch' })
  const ready = await agent.snapshot({ name: 'ready', kind: 'memory' })
  const tries = []
  for (const name of ['try-cache', 'try-index', 'try-batch']) tries.push(await ready.spawn({ name }))
  const [cache, index, batch] = tries
  if (cache === undefined || index === undefined || batch === undefined) throw new Error('a try is missing')
  const green = await index.snapshot({ name: 'tests-green', kind: 'memory' })
  await green.spawn({ name: 'review' })
  await cache.pause()
  await ready.drill()
  await batch.stop()
  await agent.snapshot({ name: 'nightly', kind: 'filesystem' })
  await agent.files.write(
    'orders.py',
    'def total(items):\n    return round(sum(price * count for price, count in items), 2)\n',
  )
  await agent.processes.start(['python3', '-m', 'http.server', '8000'], { background: true, tag: 'preview' })
  return { agent: agent.id, ready: ready.id }
}

async function take(page: Page, name: string): Promise<void> {
  // Not in the middle of a message or of anything that fades.
  await page.locator('.toast').first().waitFor({ state: 'detached' })
  await page.screenshot({ path: join(INTO, `${name}.png`), animations: 'disabled' })
}

await main()
