import type { FileInfo } from '@spawnpoint/core'
import { z } from 'zod'
import { aboutFile, type FilesCall } from './files.ts'
import { answerJson } from './http-error.ts'
import { readJson } from './json-body.ts'
import { on, pathOf, userNamed } from './who.ts'

const path = z.string().min(1).max(4096)
const composeBody = z.object({
  source_paths: z.array(path).min(1).max(1000),
  destination: path,
  username: z.string().max(128).optional(),
})

/** `POST /files/compose`: one file of several, which are then gone. Nothing is removed before the whole is written. */
export async function compose({ req, res, user: named, guest: reach }: FilesCall): Promise<void> {
  const { source_paths: sources, destination, username } = await readJson(req, composeBody)
  const user = userNamed(username) ?? named
  const { guest, sandbox } = await reach()
  let source = destination
  async function* parts() {
    for (source of sources) {
      const { body } = await guest.files.read(pathOf(source, sandbox), on(user))
      yield* body as AsyncIterable<Buffer>
    }
    source = destination
  }
  let written: FileInfo
  try {
    written = await guest.files.write(pathOf(destination, sandbox), parts(), on(user))
  } catch (error) {
    return aboutFile(source, user, () => Promise.reject(error))
  }
  for (const path of new Set(sources)) {
    const { path: at } = await aboutFile(path, user, () => guest.files.stat(pathOf(path, sandbox), on(user)))
    if (at !== written.path) await aboutFile(path, user, () => guest.files.remove(at, on(user)))
  }
  answerJson(res, 200, { name: written.name, path: written.path, type: 'file' })
}
