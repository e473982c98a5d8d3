import type { FileAccess, Sandbox } from '@spawnpoint/core'
import { OWN } from './labels.ts'

/** With root's rights, on behalf of whom commands run as. */
export function fileAccess({ labels }: Pick<Sandbox, 'labels'>): FileAccess {
  const owner = labels[OWN.user]?.split(':', 1)[0]
  return owner === undefined ? {} : { owner }
}
