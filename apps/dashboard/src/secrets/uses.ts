import type { SandboxInfo } from 'spawnpoint'

/** Whether a rule of the sandbox puts it into requests, also one that is turned off. */
export function usesSecret(name: string): (sandbox: Pick<SandboxInfo, 'credentials'>) => boolean {
  return ({ credentials }) =>
    credentials.some(({ headers }) => headers.some(({ template }) => template?.includes(`{${name}}`)))
}
