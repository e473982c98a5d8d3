import { type Context, type RunCodeOpts, Sandbox } from '@e2b/code-interpreter'
import { expect } from 'vitest'
import { VendorWorld } from '../../vendor-world.ts'

/** A server with the interpreter's image; it takes longer to start than most tests. */
export let vendor: VendorWorld
/** One for all that does not change it for good, each way of its own */
export let sandbox: Sandbox

export async function openVendor(): Promise<void> {
  vendor = await VendorWorld.startWithDomain()
  await vendor.world.importInterpreter()
}

/** The clients come this way from now on, and have a sandbox of their own. */
export async function beginBy(way: Parameters<VendorWorld['by']>[0]): Promise<void> {
  vendor.by(way)
  sandbox = await Sandbox.create({ timeoutMs: 600_000, envs: { OWN: 'sandbox' } })
}

/** Text of the result, and whatever went wrong with it. */
export async function result(
  code: string,
  options: RunCodeOpts & { context?: Context } = {},
  of: Sandbox = sandbox,
): Promise<string> {
  const { text, error } = await of.runCode(code, options)
  expect(error).toBeUndefined()
  return text ?? ''
}
