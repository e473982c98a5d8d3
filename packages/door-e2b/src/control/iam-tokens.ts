import type { CredentialRule, CredentialRuleRequest } from '@spawnpoint/core'

/** A rule that is never used: it keeps which tokens a sandbox was made with, for rules that come later. */
const REGISTER = 'e2b.iam'

export function registered(audiences: Record<string, string>): CredentialRuleRequest[] {
  if (Object.keys(audiences).length === 0) return []
  const auth = { type: 'identity' as const, audiences, tokenHeaders: [], values: [] }
  return [{ name: REGISTER, enabled: false, hosts: ['e2b-iam.invalid'], headers: [], auth }]
}

/** Audiences of the tokens that the sandbox was made with, by name. */
export function audiencesIn(rules: readonly CredentialRule[]): Record<string, string> {
  const auth = rules.find(({ name }) => name === REGISTER)?.auth
  return auth?.type === 'identity' ? auth.audiences : {}
}
