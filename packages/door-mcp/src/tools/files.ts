import { isUtf8 } from 'node:buffer'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { z } from 'zod'
import { DESTROYS, READS, type Tool, tool } from '../tool.ts'
import { path, sandboxRef } from './fields.ts'

const READ_BYTES = 48_000
const ENTRIES = 300

export function fileTools(): Tool[] {
  return [
    tool({
      name: 'read_file',
      description: `Reads a file of a running sandbox, at most ${READ_BYTES} bytes at a time. What is no text comes as base64.`,
      input: z.object({
        sandbox: sandboxRef,
        path,
        offset: z.number().int().min(0).default(0).describe('First byte'),
        length: z.number().int().min(1).max(READ_BYTES).default(READ_BYTES),
      }),
      annotations: READS,
      async run({ sandbox, path, offset, length }, { api, by, signal }) {
        const { guest } = await api.sandboxes.guest(by, sandbox)
        const { info, body } = await guest.files.read(path, { offset, length, signal })
        const bytes = await buffer(body)
        const end = offset + bytes.length
        const about = { size: info.sizeBytes, ...(end < info.sizeBytes ? { next_offset: end } : {}) }
        return isUtf8(bytes)
          ? { ...about, content: bytes.toString() }
          : { ...about, encoding: 'base64', content: bytes.toString('base64') }
      },
    }),
    tool({
      name: 'write_file',
      description:
        'Writes a text file in a running sandbox, with its missing directories. Replaces what was there unless `append`.',
      input: z.object({
        sandbox: sandboxRef,
        path,
        content: z.string().max(4_000_000),
        append: z.boolean().default(false),
        executable: z.boolean().default(false),
      }),
      annotations: DESTROYS,
      async run({ sandbox, path, content, append, executable }, { api, by }) {
        const { guest } = await api.sandboxes.guest(by, sandbox)
        const written = await guest.files.write(path, Readable.from([Buffer.from(content)]), {
          append,
          ...(executable ? { mode: 0o755 } : {}),
        })
        return { path: written.path, size: written.sizeBytes }
      },
    }),
    tool({
      name: 'list_files',
      description: `Lists a directory of a running sandbox, at most ${ENTRIES} entries.`,
      input: z.object({
        sandbox: sandboxRef,
        path: path.default('.').describe("Relative to the home of the image's user"),
        depth: z.number().int().min(1).max(10).default(1),
      }),
      annotations: READS,
      async run({ sandbox, path, depth }, { api, by }) {
        const { guest } = await api.sandboxes.guest(by, sandbox)
        const found = await guest.files.list(path, { depth, limit: ENTRIES + 1 })
        return { entries: found.slice(0, ENTRIES).map(shown), ...(found.length > ENTRIES ? { more: true } : {}) }
      },
    }),
  ]
}

/** As `ls -F` does: `dir/`, `link -> target`; with the size of a file. */
function shown(info: { path: string; type: string; sizeBytes: number; symlinkTarget: string | null }): string {
  if (info.type === 'directory') return `${info.path}/`
  if (info.type === 'symlink') return `${info.path} -> ${info.symlinkTarget}`
  if (info.type === 'file') return `${info.path} (${info.sizeBytes})`
  return `${info.path} (${info.type})`
}
