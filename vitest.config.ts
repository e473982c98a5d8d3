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
/** Files at a time of those: half of their time they wait, for programs that hang on purpose and servers that start. */
const MACHINE_WORKERS = 2
/** Files at a time of the end-to-end tests: with two, more than half of two processors was unused while they waited. */
const SERVER_WORKERS = 3
/** How long a test asks again for what nothing announces. It is to tell what never comes, not how busy the machine is. */
const expectations = { poll: { timeout: 20_000 } }
const driverTests = `packages/{${DRIVERS.join(',')}}/src/**/*.test.ts`

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/{src,test}/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'test/rules/*.test.ts'],
          exclude: [driverTests, '**/node_modules/**'],
          // On two processors vitest would take one.
          maxWorkers: MACHINE_WORKERS,
          // A test that hangs is to be told, not how busy the machine is: these take up to 2.5 s on an idle one.
          testTimeout: 30_000,
          expect: expectations,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'contract',
          include: [driverTests],
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
