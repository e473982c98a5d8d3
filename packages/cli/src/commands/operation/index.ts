import type { Command } from 'commander'
import { addList } from './list.ts'
import { addShow } from './show.ts'

export function addOperation(root: Command): void {
  const noun = root.command('operation').description('recorded pieces of work')
  addList(noun)
  addShow(noun)
}
