import type { Command } from 'commander'
import { addCp } from './cp.ts'
import { addCreate } from './create.ts'
import { addExec } from './exec.ts'
import { addFork } from './fork.ts'
import { addLife } from './life.ts'
import { addList } from './list.ts'
import { addLogs } from './logs.ts'
import { addPs } from './ps.ts'
import { addRm } from './rm.ts'
import { addRollback } from './rollback.ts'
import { addShell } from './shell.ts'
import { addShow } from './show.ts'
import { addSignal } from './signal.ts'
import { addStats } from './stats.ts'
import { addToken } from './token.ts'
import { addUpdate } from './update.ts'

export function addSandbox(root: Command): void {
  const noun = root
    .command('sandbox')
    .description('isolated machines made from images and snapshots')
    .enablePositionalOptions()
  addCreate(noun)
  addList(noun)
  addShow(noun)
  addExec(noun)
  addShell(noun)
  addCp(noun)
  addPs(noun)
  addLogs(noun)
  addSignal(noun)
  addLife(noun)
  addFork(noun)
  addRollback(noun)
  addUpdate(noun)
  addStats(noun)
  addToken(noun)
  addRm(noun)
}
