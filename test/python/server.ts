import { once } from 'node:events'
import { VendorWorld } from '../compat/vendor-world.ts'

/**
 * A server with the images that the Python tests need. Tells on stdout, in a line of JSON, what a user of the vendors' clients
 * sets; ends when stdin does.
 */
await using vendor = await VendorWorld.startWithDomain()
if (process.argv.includes('--code-interpreter')) await vendor.world.importInterpreter()
const names = [
  'E2B_API_URL',
  'E2B_SANDBOX_URL',
  'E2B_API_KEY',
  'NOVITA_API_URL',
  'NOVITA_SANDBOX_URL',
  'NOVITA_API_KEY',
]
const byDomain = { TLS_DOMAIN: vendor.domain, TLS_AUTHORITY: vendor.certificates?.authority }
const given = { ...Object.fromEntries(names.map((name) => [name, process.env[name]])), ...byDomain }
process.stdout.write(`${JSON.stringify(given)}\n`)
process.stdin.resume()
await once(process.stdin, 'end')
