import type { Command } from 'commander'
import { addAdd } from './add.ts'
import { addList } from './list.ts'
import { addRm } from './rm.ts'

export function addRegistry(root: Command): void {
  const noun = root.command('registry').description('where images are pulled from, and as whom')
  addAdd(noun)
  addList(noun)
  addRm(noun)
}
