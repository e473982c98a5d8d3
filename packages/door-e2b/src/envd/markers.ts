import { posix } from 'node:path'
import { Readable } from 'node:stream'
import type { Guest, Sandbox } from '@spawnpoint/core'
import { ownEnv } from './environment.ts'

const DIR = '/run/e2b'

/** The sandbox's own variables as files, for programs that no agent has started: `/run/e2b/.E2B_SANDBOX_ID` and its like. */
export class Markers {
  /** An incarnation is told once: a clone has the files of what it was cloned from until then. */
  readonly #told = new WeakMap<Guest, Promise<void>>()

  /** Resolves when the files are there, or cannot be. */
  tell(guest: Guest, sandbox: Sandbox, templateId: () => Promise<string>): Promise<void> {
    const begun = this.#told.get(guest)
    if (begun !== undefined) return begun
    const writing = templateId()
      .then((id) => writeAll(guest, sandbox, id))
      // A full disk, or a guest that ends: processes are given the same in their environment.
      .catch(() => {})
    this.#told.set(guest, writing)
    return writing
  }
}

async function writeAll(guest: Guest, sandbox: Sandbox, templateId: string): Promise<void> {
  const files = Object.entries(ownEnv(sandbox, templateId))
  await Promise.all(
    files.map(([name, value]) =>
      guest.files.write(posix.join(DIR, `.${name}`), Readable.from([value]), { user: 'root' }),
    ),
  )
}
