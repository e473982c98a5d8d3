import type { Command } from 'commander'
import { addBuild } from './build.ts'
import { addList } from './list.ts'
import { addPull } from './pull.ts'
import { addRm } from './rm.ts'
import { addShow } from './show.ts'

export function addImage(root: Command): void {
  const noun = root.command('image').description('read-only root filesystems that sandboxes are made from')
  addBuild(noun)
  addPull(noun)
  addList(noun)
  addShow(noun)
  addRm(noun)
}
