import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BASE_IMAGE } from '@spawnpoint/images-debian'
import { PREPARED } from './prepared.ts'
import { World } from './world.ts'

/**
 * Makes what nearly every test begins with, by the code under test and so anew for every run: a first start and an import
 * take four times as long as a copy. Returns what removes it.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const world = await World.withoutImages()
  try {
    await world.importImage(BASE_IMAGE)
    const status = await world.stopServer()
    if (status !== 0) throw new Error(`the server stopped with ${status}:\n${world.log()}`)
    await rm(join(world.dataDir, 'imports'), { recursive: true })
  } catch (error) {
    await world[Symbol.asyncDispose]()
    throw error
  }
  process.env[PREPARED] = world.dataDir
  return () => rm(world.dataDir, { recursive: true, force: true })
}
