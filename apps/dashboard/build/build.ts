import { createHash } from 'node:crypto'
import { globSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { build } from 'vite'

/**
 * Builds the dashboard into `dist`, unless what is there was made of the same files. With `--check` only tells: ends with 1 if it
 * would build.
 */
const DASHBOARD = resolve(import.meta.dirname, '..')
const REPOSITORY = resolve(DASHBOARD, '../..')
const DIST = join(DASHBOARD, 'dist')
const STAMP = join(DIST, '.made-of')
/** Smaller ones are not worth a header */
const PACK_FROM_BYTES = 1024

const made = digest()
if (stamp() === made) process.exit(0)
if (process.argv.includes('--check')) process.exit(1)

// Beside, then in its place: a build that was cut off leaves the old one.
const fresh = join(DASHBOARD, 'dist.new')
rmSync(fresh, { recursive: true, force: true })
await build({
  configFile: join(DASHBOARD, 'vite.config.ts'),
  logLevel: 'error',
  build: { outDir: fresh, emptyOutDir: true },
})
for (const name of readdirSync(join(fresh, 'assets'))) {
  const path = join(fresh, 'assets', name)
  const plain = readFileSync(path)
  if (plain.length < PACK_FROM_BYTES || !/\.(js|css|svg)$/.test(name)) continue
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = constants
  const params = { [BROTLI_PARAM_QUALITY]: 10, [BROTLI_PARAM_SIZE_HINT]: plain.length }
  writeFileSync(`${path}.br`, brotliCompressSync(plain, { params }))
  writeFileSync(`${path}.gz`, gzipSync(plain, { level: 9 }))
}
writeFileSync(join(fresh, '.made-of'), made)
rmSync(DIST, { recursive: true, force: true })
renameSync(fresh, DIST)

/** Of all that goes into it. */
function digest(): string {
  const hash = createHash('sha256')
  const files = globSync(
    [
      'apps/dashboard/{index.html,vite.config.ts,package.json}',
      'apps/dashboard/{src,public,build}/**/*',
      'packages/sdk/src/**/*.ts',
    ],
    { cwd: REPOSITORY, withFileTypes: true },
  )
    .filter((entry) => entry.isFile() && !/\.test\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  for (const file of [...files, join(REPOSITORY, 'package-lock.json')]) {
    hash.update(relative(REPOSITORY, file)).update(readFileSync(file))
  }
  return hash.digest('hex')
}

function stamp(): string | null {
  try {
    return readFileSync(STAMP, 'utf8')
  } catch {
    return null // not built yet
  }
}
