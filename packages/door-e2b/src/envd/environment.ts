import type { Env, Sandbox } from '@spawnpoint/core'

/** What programs find of the sandbox in their environment; the sandbox's own variables are given by the agent. */
export function ownEnv({ id }: Sandbox, templateId: string): Env {
  return { E2B_SANDBOX: 'true', E2B_SANDBOX_ID: id, E2B_TEMPLATE_ID: templateId }
}

/** Of a process's environment what its request gave. */
export function withoutOwnEnv(env: Env): Env {
  const { E2B_SANDBOX, E2B_SANDBOX_ID, E2B_TEMPLATE_ID, ...given } = env
  return given
}

/** Every variable that is the same for all processes. */
export function sandboxEnv(sandbox: Sandbox, templateId: string): Env {
  return { ...sandbox.defaults.env, ...sandbox.env, ...ownEnv(sandbox, templateId) }
}
