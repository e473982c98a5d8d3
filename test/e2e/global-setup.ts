import { BASE_IMAGE } from '@spawnpoint/images-debian'
import { archiveOf } from './known-image.ts'

/** Nearly every test needs it, and none should have to wait for it. */
export default async function setup(): Promise<void> {
  await archiveOf(BASE_IMAGE)
}
