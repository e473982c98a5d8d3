import { defineConfig } from 'vitest/config'

/** Packages whose tests need the machine: mounts, namespaces, a database. One file at a time, for their timings' sake. */
const DRIVERS = ['pool-btrfs', 'images-debian', 'ledger-postgres', 'runtime-gvisor']
const driverTests = `packages/{${DRIVERS.join(',')}}/src/**/*.test.ts`

/** Workspace packages resolve to their source, without a build. */
const development = { ssr: { resolve: { conditions: ['development', 'node', 'module'] } } }

export default defineConfig({
  test: {
    projects: [
      {
        ...development,
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts'],
          exclude: [driverTests, '**/node_modules/**'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...development,
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
        ...development,
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
