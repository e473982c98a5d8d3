import type { Command } from 'commander'
import { addCreate } from './create.ts'
import { addList } from './list.ts'
import { addRm } from './rm.ts'
import { addShow } from './show.ts'
import { addUpdate } from './update.ts'

export function addSchedule(root: Command): void {
  const noun = root.command('schedule').description('snapshots at set times')
  addCreate(noun)
  addList(noun)
  addShow(noun)
  addUpdate(noun)
  addRm(noun)
}
