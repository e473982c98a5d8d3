import type { Command } from 'commander'
import { addTag } from '../image/tag.ts'
import { addBrowse } from './browse.ts'
import { addCreate } from './create.ts'
import { addList } from './list.ts'
import { addPull } from './pull.ts'
import { addPush } from './push.ts'
import { addRestore } from './restore.ts'
import { addRm } from './rm.ts'
import { addShow } from './show.ts'
import { addSpawn } from './spawn.ts'
import { addUpdate } from './update.ts'
import { addVerify } from './verify.ts'

export function addSnapshot(root: Command): void {
  const noun = root.command('snapshot').description('captured points of sandboxes')
  addCreate(noun)
  addList(noun)
  addShow(noun)
  addSpawn(noun)
  addBrowse(noun)
  addUpdate(noun)
  addTag(noun, 'snapshot')
  addPush(noun)
  addPull(noun)
  addRm(noun)
  addRestore(noun)
  addVerify(noun)
}
