import { defineConfig } from 'vitest/config'

/** Packages whose tests need the machine: mounts, namespaces, a database. One file at a time, for their timings' sake. */
const DRIVERS = ['pool-btrfs', 'images-debian', 'ledger-postgres', 'runtime-gvisor', 'images-oci']
const driverTests = `packages/{${DRIVERS.join(',')}}/src/**/*.test.ts`

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/{src,test}/**/*.test.ts', 'apps/*/src/**/*.test.ts'],
          exclude: [driverTests, '**/node_modules/**'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'contract',
          include: [driverTests],
          fileParallelism: false,
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/**/*.test.ts'],
          globalSetup: ['test/e2e/global-setup.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
