import type { Command } from 'commander'
import type { FileInfo } from 'spawnpoint'
import { UsageError } from '../../exit.ts'
import { integer } from '../../options.ts'
import type { Column } from '../../output/table.ts'
import { formatAge, formatBytes } from '../../output/units.ts'
import { verb } from '../../verb.ts'

/** Looking into a snapshot without starting it. */
export function addBrowse(parent: Command): void {
  addFiles(parent)
  addCat(parent)
  addFind(parent)
  addArchive(parent)
  addPs(parent)
  addCp(parent)
}

const FILE_COLUMNS: readonly Column<FileInfo>[] = [
  { title: 'MODE', value: ({ type, mode }) => `${LETTERS[type]}${mode.toString(8).padStart(4, '0')}` },
  { title: 'OWNER', value: ({ owner, group }) => `${owner}:${group}` },
  { title: 'SIZE', value: ({ type, sizeBytes }) => (type === 'file' ? formatBytes(sizeBytes) : '-'), align: 'right' },
  { title: 'CHANGED', value: ({ modifiedAt }) => formatAge(modifiedAt) },
  {
    title: 'PATH',
    value: ({ path, symlinkTarget }) => (symlinkTarget === null ? path : `${path} -> ${symlinkTarget}`),
  },
]

/** As `ls` has them */
const LETTERS: Record<FileInfo['type'], string> = {
  ...{ file: '-', directory: 'd', symlink: 'l', fifo: 'p', socket: 's', char: 'c', block: 'b' },
}

function addFiles(parent: Command): void {
  verb(
    parent,
    'files <snapshot> [path]',
    'list a directory of a snapshot, by default /',
    async (cli, options, ref: string, path = '/') => {
      const snapshot = await cli.client.snapshots.get(ref)
      const depth = options.depth === undefined ? undefined : integer(options.depth)
      const files = await snapshot.files.list(path, { depth }).toArray(integer(options.limit))
      await cli.table(files, FILE_COLUMNS, 'Nothing in it.')
    },
    (command) =>
      command
        .option('--depth <levels>', 'what is in its directories as well, to so many levels, at most 64')
        .option('--limit <number>', 'show at most so many', '10000'),
  )
}

function addCat(parent: Command): void {
  verb(
    parent,
    'cat <snapshot> <path>',
    'print a file of a snapshot',
    async (cli, _options, ref: string, path: string) => {
      const snapshot = await cli.client.snapshots.get(ref)
      for await (const piece of snapshot.files.readStream(path)) await cli.write(piece)
    },
  )
}

function addFind(parent: Command): void {
  verb(
    parent,
    'find <snapshot> [name]',
    'find files of a snapshot by name (`*.py`, or a part of it), content or both',
    async (cli, { path, content, limit }, ref: string, name?: string) => {
      if (name === undefined && content === undefined) throw new UsageError('give a name, --content or both')
      const snapshot = await cli.client.snapshots.get(ref)
      const found = await snapshot.files.search({ name, path, content, limit: integer(limit) })
      if (cli.json) return cli.print(found, () => '')
      const columns: Column<(typeof found.items)[number]>[] = [
        { title: 'PATH', value: ({ file, line }) => (line === null ? file.path : `${file.path}:${line}`) },
        { title: 'SIZE', value: ({ file }) => formatBytes(file.sizeBytes), align: 'right' },
        ...(content === undefined ? [] : [{ title: 'LINE', value: ({ text }: { text: string | null }) => text ?? '' }]),
      ]
      await cli.table(found.items, columns, 'Nothing found.')
      if (found.incomplete !== null) await cli.note(`Not everything was searched: ${WHY[found.incomplete]}.`)
    },
    (command) =>
      command
        .option('--path <path>', 'directory to search below')
        .option('--content <text>', 'text in files')
        .option('--limit <number>', 'at most so many, up to 1000', '100'),
  )
}

const WHY = {
  limit: 'there are more than the limit',
  time: 'it took too long',
  bytes: 'there are too many bytes to read',
  depth: 'it goes too deep, or a directory has too many entries',
} as const

function addArchive(parent: Command): void {
  verb(
    parent,
    'archive <snapshot> <path>',
    'write a file or directory of a snapshot to stdout, as a tar archive',
    async (cli, _options, ref: string, path: string) => {
      if (process.stdout.isTTY) throw new UsageError('an archive is nothing for a terminal; write > file.tar')
      const snapshot = await cli.client.snapshots.get(ref)
      for await (const piece of snapshot.files.archive(path)) await cli.write(piece)
    },
  )
}

function addPs(parent: Command): void {
  verb(parent, 'ps <snapshot>', 'what ran when a snapshot was taken', async (cli, _options, ref: string) => {
    const snapshot = await cli.client.snapshots.get(ref)
    const census = await snapshot.census()
    if (cli.json) return cli.print(census, () => '')
    if (census === null) return cli.note('That is not known of this snapshot.')
    const portsOf = (pid: number) => census.ports.filter((one) => one.pid === pid).map(({ port }) => port)
    await cli.table(
      census.processes,
      [
        { title: 'PID', value: ({ pid }) => String(pid), align: 'right' },
        { title: 'USER', value: ({ user }) => user },
        { title: 'MEMORY', value: ({ memoryBytes }) => formatBytes(memoryBytes), align: 'right' },
        { title: 'PORTS', value: ({ pid }) => [...new Set(portsOf(pid))].join(',') || '-' },
        { title: 'COMMAND', value: ({ command }) => command },
      ],
      'Nothing ran.',
    )
  })
}

function addCp(parent: Command): void {
  verb(
    parent,
    'cp <from> <to>',
    'copy a file or directory of a snapshot into a running sandbox',
    async (cli, { owner }, from: string, to: string) => {
      const [snapshot, path] = partsOf(from)
      const [ref, destination] = to.includes(':') ? partsOf(to) : ([to, path] as const)
      const sandbox = await cli.client.sandboxes.get(ref)
      const copied = await sandbox.files.copyFrom(snapshot, path, { to: destination, owner })
      if (cli.json) return cli.print(copied, () => '')
      await cli.note(`${copied.entries} ${copied.entries === 1 ? 'entry' : 'entries'}, ${formatBytes(copied.bytes)}`)
    },
    (command) =>
      command.option('--owner <user>', 'who gets it; else who has it in the snapshot').addHelpText(
        'after',
        `
  spawnpoint snapshot cp before:/etc/app box             to the same place
  spawnpoint snapshot cp before:/etc/app box:/tmp/app    a directory, to another
  spawnpoint snapshot cp before:/etc/hosts box:/tmp/     a file, into a directory`,
      ),
  )
}

/** `REF:/PATH`; a ref may have a tag. */
function partsOf(text: string): readonly [string, string] {
  const [, ref, path] = /^([^/]+|[^/]+\/[^/:]+(?::[^/]+)?):(\/.*)$/s.exec(text) ?? []
  if (ref === undefined || path === undefined) throw new UsageError(`'${text}' must have the form NAME:/PATH`)
  return [ref, path]
}
