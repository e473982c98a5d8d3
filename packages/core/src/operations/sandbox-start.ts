import { toSpawnpointError } from '../errors.ts'
import type { IncarnationId, RootId, Sandbox, SandboxId } from '../model.ts'
import { arrive, moveSandbox, recordOf } from '../sandbox/records.ts'
import { boot, unboot } from './boot.ts'
import { interrupted } from './cut-off.ts'
import type { OperationDefinition, Work } from './runner.ts'

export interface StartDetail {
  sandboxId: SandboxId
  incarnationId: IncarnationId
  /** The root that was kept */
  rootId: RootId
}

/** starting: a cold boot on the root that was kept ─► running. Cut off anywhere: undone, stopped with its files. */
export const sandboxStart: OperationDefinition<StartDetail, Sandbox> = {
  kind: 'sandbox.start',
  async run(work) {
    const { detail, parts } = work
    try {
      const sandbox = await recordOf(parts, detail.sandboxId)
      const { report } = await boot(work, sandbox, { ...detail, source: null, memory: null })
      let running!: Sandbox
      await work.end('done', async (tx) => {
        const { incarnationId } = detail
        running = await arrive(parts, tx, detail.sandboxId, { incarnationId }, { identity: report })
      })
      return running
    } catch (error) {
      await undo(work, error)
      throw error
    }
  },
  recover: (work) => undo(work, interrupted()),
}

async function undo(work: Work<StartDetail>, error: unknown): Promise<void> {
  await unboot(work, { incarnationId: work.detail.incarnationId, rootId: null })
  await work.end(toSpawnpointError(error), async (tx) => {
    await moveSandbox(work.parts, tx, work.detail.sandboxId, 'fail')
  })
}
