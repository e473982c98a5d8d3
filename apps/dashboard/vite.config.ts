import { resolve } from 'node:path'
import { defineConfig } from 'vite'

const sdk = resolve(import.meta.dirname, '../../packages/sdk/src/index.ts')

export default defineConfig({
  root: import.meta.dirname,
  // From its source, as everything here: what the package itself exports is only there once it is built.
  resolve: { alias: { spawnpoint: sdk } },
  build: {
    target: 'es2022',
    // Images as files: the page's policy takes data: for them, yet nothing else of it.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 600,
  },
})
