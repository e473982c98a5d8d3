import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useMemo, useState } from 'react'
import type { FileInfo, FileMatches, Snapshot } from 'spawnpoint'
import { saveAs } from '../download.ts'
import { formatBytes } from '../format.ts'
import { textOf } from '../paths.ts'
import { Answer } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { ageColumn } from '../ui/columns.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Menu, type MenuEntry } from '../ui/menu.tsx'
import { doing } from '../ui/toasts.tsx'
import { Waypoints } from '../ui/waypoints.tsx'
import { CopyDialog } from './copy-dialog.tsx'
import { useSnapshot } from './detail.tsx'

/** Most entries of a directory that are shown. */
const MOST = 2_000
/** Largest file that is shown as text, in bytes */
const MOST_TEXT = 1024 * 1024

type Asking = { for: 'show' | 'copy'; file: FileInfo }

/** The files of a snapshot, which is not started for it. */
export function SnapshotFilesTab() {
  const snapshot = useSnapshot()
  const [path, setPath] = useState('/')
  const [search, setSearch] = useState<{ text: string; inFiles: boolean } | null>(null)
  const [asking, setAsking] = useState<Asking | null>(null)
  const columns = useMemo(() => columnsFor(snapshot, setPath, setAsking), [snapshot])
  return (
    <section aria-label="Files">
      <div className="toolbar">
        <Waypoints
          path={path}
          onGo={(to) => {
            setSearch(null)
            setPath(to)
          }}
        />
        <SearchForm path={path} onSearch={setSearch} />
      </div>
      {search === null ? (
        <Directory snapshot={snapshot} path={path} columns={columns} />
      ) : (
        <Found snapshot={snapshot} path={path} {...search} columns={columns} onEnd={() => setSearch(null)} />
      )}
      {asking?.for === 'show' && <ShowDialog snapshot={snapshot} file={asking.file} onClose={() => setAsking(null)} />}
      {asking?.for === 'copy' && <CopyDialog snapshot={snapshot} file={asking.file} onClose={() => setAsking(null)} />}
    </section>
  )
}

function SearchForm({
  path,
  onSearch,
}: {
  path: string
  onSearch: (search: { text: string; inFiles: boolean } | null) => void
}) {
  const [text, setText] = useState('')
  const [inFiles, setInFiles] = useState(false)
  const send = (event: FormEvent) => {
    event.preventDefault()
    onSearch(text.trim() === '' ? null : { text: text.trim(), inFiles })
  }
  return (
    <form className="search-form" onSubmit={send}>
      <input
        className="input"
        type="search"
        aria-label={`Search below ${path}`}
        placeholder={`Search below ${path}`}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <select
        className="select"
        aria-label="Search in"
        value={inFiles ? 'content' : 'name'}
        onChange={(event) => setInFiles(event.target.value === 'content')}
      >
        <option value="name">names</option>
        <option value="content">content</option>
      </select>
      <Button type="submit" look="small">
        Search
      </Button>
    </form>
  )
}

interface ShownProps {
  snapshot: Snapshot
  path: string
  columns: Column<FileInfo>[]
}

function Directory({ snapshot, path, columns }: ShownProps) {
  const query = useQuery({
    queryKey: ['of-snapshot', snapshot.id, 'files', path],
    queryFn: () => snapshot.files.list(path, { pageSize: 500 }).toArray(MOST),
    staleTime: Number.POSITIVE_INFINITY, // it never changes
  })
  return (
    <Answer query={query}>
      {(files) => (
        <>
          {files.length === MOST && <div className="notice">Only the first {MOST} entries are shown.</div>}
          <DataTable
            label={`Files in ${path}`}
            rows={files}
            columns={columns}
            rowId={(file) => file.path}
            empty="Nothing here."
          />
        </>
      )}
    </Answer>
  )
}

function Found({
  snapshot,
  path,
  text,
  inFiles,
  columns,
  onEnd,
}: ShownProps & { text: string; inFiles: boolean; onEnd: () => void }) {
  const query = useQuery({
    queryKey: ['of-snapshot', snapshot.id, 'search', path, text, inFiles],
    queryFn: () => snapshot.files.search({ path, ...(inFiles ? { content: text } : { name: text }) }),
    staleTime: Number.POSITIVE_INFINITY,
  })
  return (
    <Answer query={query}>
      {({ items, incomplete }) => (
        <>
          <p className="sub">
            {items.length} found{incomplete !== null && `, and not everything was searched (${incomplete})`}.{' '}
            <button type="button" className="link" onClick={onEnd}>
              Back to the directory
            </button>
          </p>
          <Matches items={items} columns={columns} />
        </>
      )}
    </Answer>
  )
}

function Matches({ items, columns }: { items: FileMatches['items']; columns: Column<FileInfo>[] }) {
  const byPath = new Map(items.map((match) => [match.file.path, match]))
  const [, ...rest] = columns
  const where: Column<FileInfo> = {
    id: 'path',
    header: 'Path',
    cell: (file) => {
      const match = byPath.get(file.path)
      return (
        <>
          <code>{file.path}</code>
          {match?.text != null && (
            <div className="sub wraps">
              {match.line}: <code>{match.text}</code>
            </div>
          )}
        </>
      )
    },
  }
  const files = items.map(({ file }) => file)
  return (
    <DataTable
      label="Found files"
      rows={files}
      columns={[where, ...rest]}
      rowId={({ path }) => path}
      empty="Nothing."
    />
  )
}

function columnsFor(snapshot: Snapshot, go: (path: string) => void, ask: (asking: Asking) => void): Column<FileInfo>[] {
  const entries = (file: FileInfo): MenuEntry[] => [
    ...(file.type === 'file' ? [{ label: 'Show', onSelect: () => ask({ for: 'show', file }) }] : []),
    ...(file.type === 'file' || file.type === 'directory'
      ? [
          {
            label: file.type === 'file' ? 'Download' : 'Download as tar',
            onSelect: () => void doing('The download', `${file.name} is here`, () => download(snapshot, file)),
          },
          { label: 'Copy into a sandbox', needs: 'write' as const, onSelect: () => ask({ for: 'copy', file }) },
        ]
      : []),
  ]
  return [
    {
      id: 'name',
      header: 'Name',
      cell: (file) =>
        file.type === 'directory' || file.type === 'file' ? (
          <button
            type="button"
            className="link"
            onClick={() => (file.type === 'directory' ? go(file.path) : ask({ for: 'show', file }))}
          >
            {file.name}
            {file.type === 'directory' && '/'}
          </button>
        ) : (
          <>
            {file.name} {file.symlinkTarget !== null && <span className="sub">→ {file.symlinkTarget}</span>}
          </>
        ),
    },
    {
      id: 'size',
      header: 'Size',
      align: 'number',
      cell: ({ type, sizeBytes }) => (type === 'directory' ? '' : formatBytes(sizeBytes)),
    },
    { id: 'mode', header: 'Mode', cell: ({ mode }) => <code>{mode.toString(8).padStart(4, '0')}</code> },
    { id: 'owner', header: 'Owner', cell: ({ owner, group }) => `${owner}:${group}` },
    ageColumn('Modified', ({ modifiedAt }) => modifiedAt),
    {
      id: 'actions',
      header: '',
      align: 'end',
      cell: (file) => (
        <Menu label={`Actions for ${file.name}`} entries={entries(file)}>
          •••
        </Menu>
      ),
    },
  ]
}

async function download(snapshot: Snapshot, file: FileInfo): Promise<void> {
  const isFile = file.type === 'file'
  const parts: BlobPart[] = []
  const stream = isFile ? snapshot.files.readStream(file.path) : snapshot.files.archive(file.path)
  for await (const part of stream) parts.push(new Uint8Array(part))
  saveAs(isFile ? file.name : `${file.name}.tar`, parts)
}

function ShowDialog({ snapshot, file, onClose }: { snapshot: Snapshot; file: FileInfo; onClose: () => void }) {
  const query = useQuery({
    queryKey: ['of-snapshot', snapshot.id, 'file', file.path],
    queryFn: async () =>
      file.sizeBytes > MOST_TEXT ? null : textOf(await snapshot.files.read(file.path, { length: MOST_TEXT })),
    gcTime: 0,
  })
  return (
    <Dialog title={file.path} wide onClose={onClose}>
      <Answer query={query}>
        {(text) =>
          text === null ? (
            <p>It is too large to be shown, or not text; download it instead.</p>
          ) : (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which the keyboard must be able to
            <pre className="code log" tabIndex={0}>
              {text}
            </pre>
          )
        }
      </Answer>
      <div className="dialog-foot">
        <Button onClick={onClose}>Close</Button>
      </div>
    </Dialog>
  )
}
