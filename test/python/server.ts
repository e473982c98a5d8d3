import { once } from 'node:events'
import { DockerRegistry, makeImage, USER } from '@spawnpoint/images-oci/testing'
import { VendorWorld } from '../compat/vendor-world.ts'
import { alpineLike } from '../e2e/alpine-like.ts'

/**
 * A server with the images that the Python tests need. Tells on stdout, in a line of JSON, what a user of the vendors' clients
 * sets; ends when stdin does.
 */
await using vendor = await VendorWorld.startWithDomain()
if (process.argv.includes('--code-interpreter')) await vendor.world.importInterpreter()
await using registry = await DockerRegistry.start({ auth: true })
const image = makeImage({ layers: [{ entries: alpineLike() }] })
for (const [name, tag] of [['python', '3.12-slim'] as const, ['internal/python', '3.12'] as const])
  await registry.push(name, tag, image)
const given: Record<string, string | undefined> = {
  ...process.env,
  HYPERBROWSER_API_KEY: vendor.world.key,
  HYPERBROWSER_BASE_URL: `${vendor.world.url}/hyperbrowser`,
  BRIMBLE_BASE_URL: `${vendor.world.url}/brimble`,
  BRIMBLE_SANDBOX_KEY: vendor.world.key,
  TLS_DOMAIN: vendor.domain,
  TLS_AUTHORITY: vendor.certificates?.authority,
  TEST_REGISTRY: registry.host,
  TEST_REGISTRY_USER: USER.username,
  TEST_REGISTRY_PASSWORD: USER.password,
}
const names = [
  'E2B_API_URL',
  'E2B_SANDBOX_URL',
  'E2B_VOLUME_API_URL',
  'E2B_API_KEY',
  'NOVITA_API_URL',
  'NOVITA_SANDBOX_URL',
  'NOVITA_API_KEY',
  'LANGSMITH_ENDPOINT',
  'LANGSMITH_API_KEY',
  'HYPERBROWSER_BASE_URL',
  'HYPERBROWSER_API_KEY',
  'BRIMBLE_BASE_URL',
  'BRIMBLE_SANDBOX_KEY',
  'TLS_DOMAIN',
  'TLS_AUTHORITY',
  'TEST_REGISTRY',
  'TEST_REGISTRY_USER',
  'TEST_REGISTRY_PASSWORD',
]
process.stdout.write(`${JSON.stringify(Object.fromEntries(names.map((name) => [name, given[name]])))}
`)
process.stdin.resume()
await once(process.stdin, 'end')
