import type { Command } from 'commander'
import { addList } from './list.ts'
import { addRm } from './rm.ts'
import { addSet } from './set.ts'

export function addSecret(root: Command): void {
  const noun = root.command('secret').description("what sandboxes' rules put into their requests, as {NAME}")
  addSet(noun)
  addList(noun)
  addRm(noun)
}
