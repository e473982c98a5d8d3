import type { Command } from 'commander'
import { addCreate } from './create.ts'
import { addList } from './list.ts'
import { addRm } from './rm.ts'
import { addSelf } from './self.ts'

export function addKey(root: Command): void {
  const noun = root.command('key').description('API keys')
  addCreate(noun)
  addList(noun)
  addSelf(noun)
  addRm(noun)
}
