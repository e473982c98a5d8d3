import { globSync, readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/longest-first.ts'

/** Packages whose tests need the machine: mounts, namespaces, a database. */
const DRIVERS = [
  'pool-btrfs',
  'images-debian',
  'ledger-postgres',
  'runtime-gvisor',
  'images-oci',
  'confined',
  'remotes',
]
/** Files at a time of those: with two, a third of two processors was unused while they waited for what hangs on purpose. */
const MACHINE_WORKERS = 3
/** Of the unit tests, for which vitest would take one on two processors: a third of their time they wait for programs. */
const UNIT_WORKERS = 3
/** Files at a time of the end-to-end tests: with two, more than half of two processors was unused while they waited. */
const SERVER_WORKERS = 3
/** How long a test asks again for what nothing announces. It is to tell what never comes, not how busy the machine is. */
const expectations = { poll: { timeout: 20_000 } }
const driverTests = `packages/{${DRIVERS.join(',')}}/src/**/*.test.ts`

const unitTests = ['packages/*/{src,test}/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'test/rules/*.test.ts']
/** Whoever sets the clock has a process to itself: what is still under way of another file would count, and be moved along. */
const clockTests = globSync(unitTests).filter((path) => readFileSync(path, 'utf8').includes('useFakeTimers'))
const unit = {
  maxWorkers: UNIT_WORKERS,
  // A test that hangs is to be told, not how busy the machine is: these take up to 2.5 s on an idle one.
  testTimeout: 30_000,
  expect: expectations,
  sequence: { groupOrder: 0 },
}

export default defineConfig({
  test: {
    // `--sequence.shuffle.files` brings an order of its own.
    ...(process.argv.some((arg) => arg.startsWith('--sequence')) ? {} : { sequence: { sequencer: LongestFirst } }),
    projects: [
      {
        test: {
          name: 'unit',
          include: unitTests,
          exclude: [driverTests, ...clockTests, '**/node_modules/**'],
          // To load everything anew for each file took a third as long as the tests.
          isolate: false,
          setupFiles: ['test/rules/shared-process.ts'],
          ...unit,
        },
      },
      { test: { name: 'unit-clock', include: clockTests, ...unit } },
      {
        test: {
          name: 'contract',
          include: [driverTests],
          globalSetup: ['packages/runtime-gvisor/src/testing/global-setup.ts'],
          maxWorkers: MACHINE_WORKERS,
          testTimeout: 30_000,
          hookTimeout: 60_000,
          expect: expectations,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/**/*.test.ts'],
          exclude: ['test/rules/**'],
          globalSetup: ['test/e2e/global-setup.ts'],
          maxWorkers: SERVER_WORKERS,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          expect: expectations,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
