import { runCommand } from '@spawnpoint/host-commands'
import { errorText } from '../failure.ts'
import type { Log } from '../log.ts'
import { linkPrefix, tableName } from './addresses.ts'
import { nft } from './host-tools.ts'

/**
 * A packet has to pass all tables of a host, and Docker, ufw and others drop what they do not know in `ip filter FORWARD`.
 * What our own table lets through is therefore let through there too, by two rules at its head that carry our name. Our
 * table comes first, so they open nothing that a policy closes.
 */
const CHAIN = 'ip filter FORWARD'

/** Without an effect where the chain is not there. Failures are logged: guests may have no network then. */
export async function admitForwarding(server: number, log: Log): Promise<void> {
  const links = `"${linkPrefix(server)}*"`
  const comment = `comment "${tableName(server)}"`
  try {
    const handles = await ourRules(server)
    if (handles === null) return
    await nft([
      ...handles.map((handle) => `delete rule ${CHAIN} handle ${handle}`),
      `insert rule ${CHAIN} oifname ${links} ct state established,related accept ${comment}`,
      `insert rule ${CHAIN} iifname ${links} accept ${comment}`,
    ])
  } catch (error) {
    log.warn({ error: errorText(error) }, 'The host has a firewall of its own that could not be told about sandboxes')
  }
}

export async function withdrawForwarding(server: number): Promise<void> {
  const handles = (await ourRules(server)) ?? []
  await nft(handles.map((handle) => `delete rule ${CHAIN} handle ${handle}`))
}

/** `null` if the host has no such chain. */
async function ourRules(server: number): Promise<number[] | null> {
  const result = await runCommand('nft', ['--handle', 'list', 'chain', ...CHAIN.split(' ')], { timeoutMs: 10_000 })
  // Exits with 1 where the table or the chain is missing.
  if (result.code !== 0) return null
  const rule = new RegExp(`comment "${tableName(server)}" # handle (\\d+)$`, 'gm')
  return [...result.stdout.matchAll(rule)].map((match) => Number(match[1]))
}
