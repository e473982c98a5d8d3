import type { Command } from 'commander'
import { addBuild } from './build.ts'
import { addCancel } from './cancel.ts'
import { addList } from './list.ts'
import { addLog } from './log.ts'
import { addPull } from './pull.ts'
import { addPush } from './push.ts'
import { addRm } from './rm.ts'
import { addShow } from './show.ts'
import { addTag } from './tag.ts'

export function addImage(root: Command): void {
  const noun = root.command('image').description('read-only root filesystems that sandboxes are made from')
  addBuild(noun)
  addPull(noun)
  addPush(noun)
  addList(noun)
  addShow(noun)
  addLog(noun)
  addCancel(noun)
  addTag(noun)
  addRm(noun)
}
