import type { Accounts, AccountsParts } from './accounts.ts'
import { FullAccounts } from './full-accounts.ts'
import { type QuotaMode, Quotas } from './quotas.ts'
import { unavailable } from './run-tool.ts'
import { SimpleAccounts } from './simple-accounts.ts'
import type { Volume } from './volume.ts'

/**
 * Turns accounting on. Simple quotas cannot be undone, and older kernels refuse what has them: they are for new pools, and
 * not for a file system of the host's. Rejects `unavailable`.
 */
export async function openAccounts(
  { path, imageFile }: Volume,
  wanted: QuotaMode,
  parts: AccountsParts,
): Promise<{ accounts: Accounts; mode: QuotaMode }> {
  const simple = wanted === 'simple' && imageFile !== null && (await parts.layout.unused())
  const quotas = new Quotas(path)
  const mode = await quotas.enable(simple).catch((error) => {
    throw unavailable(`btrfs cannot account for space (kernel 5.9 or newer is needed): ${error.message}`, error)
  })
  return { accounts: mode === 'simple' ? new SimpleAccounts(quotas, parts) : new FullAccounts(quotas, parts), mode }
}
