import type { SandboxState } from './sandbox.ts'

export type SandboxRequest = 'snapshot' | 'fork' | 'pause' | 'resume' | 'stop' | 'start' | 'rollback' | 'kill'

export interface ServerInfo {
  version: string
  /** `host[:port]` below which ports of sandboxes have addresses of their own, `PORT-ID.DOMAIN`; `null` for none */
  domain: string | null
  /** What a sandbox can be asked for, by its state */
  lifecycle: Record<SandboxState, SandboxRequest[]>
}
