import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type DragEvent, useRef, useState } from 'react'
import type { FileInfo, Sandbox } from 'spawnpoint'
import { saveAs } from '../download.ts'
import { formatBytes } from '../format.ts'
import { joined } from '../paths.ts'
import { Answer } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { ageColumn } from '../ui/columns.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { Menu, type MenuEntry } from '../ui/menu.tsx'
import { doing } from '../ui/toasts.tsx'
import { Waypoints } from '../ui/waypoints.tsx'
import { FileEditor } from './file-editor.tsx'
import { lifeOf, MustRun } from './must-run.tsx'

/** Most entries of a directory that are shown. */
const MOST = 2_000

export function FilesTab() {
  return <MustRun>{(sandbox) => <Files sandbox={sandbox} />}</MustRun>
}

type Asking = { for: 'edit' | 'move' | 'remove'; file: FileInfo } | { for: 'mkdir' }

function Files({ sandbox }: { sandbox: Sandbox }) {
  // Home at first, wherever that is.
  const [path, setPath] = useState('.')
  const [asking, setAsking] = useState<Asking | null>(null)
  const queryClient = useQueryClient()
  const queryKey = ['files', sandbox.id, lifeOf(sandbox), path]
  const query = useQuery({ queryKey, staleTime: 0, queryFn: () => directory(sandbox, path) })
  const here = query.data?.path ?? path
  // Of whatever life: an upload may end in another than it began in, or than this page knew of.
  const again = () => queryClient.invalidateQueries({ queryKey: ['files', sandbox.id] })
  const upload = (files: Iterable<File>) => {
    for (const file of files)
      void doing(`Upload of ${file.name}`, `${file.name} is uploaded`, async () => {
        await sandbox.files.write(joined(here, file.name), file)
        await again()
      })
  }
  const close = () => setAsking(null)
  const drop = (event: DragEvent) => {
    event.preventDefault()
    upload(event.dataTransfer.files)
  }
  return (
    <section aria-label="Files" onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <div className="toolbar">
        <Waypoints path={here} onGo={setPath} />
        <span className="count" />
        <Button look="small" onClick={() => void again()}>
          Refresh
        </Button>
        <Button look="small" needs="write" onClick={() => setAsking({ for: 'mkdir' })}>
          New folder
        </Button>
        <UploadButton onFiles={upload} />
      </div>
      <Answer query={query}>
        {({ entries, truncated }) => (
          <>
            {truncated && <div className="notice">Only the first {MOST} entries are shown.</div>}
            <DataTable
              label={`Files in ${here}`}
              rows={entries}
              columns={columnsFor(sandbox, setPath, setAsking)}
              rowId={(file) => file.path}
              find={({ name }) => [name]}
              empty="Nothing here. Drop files to upload them."
            />
          </>
        )}
      </Answer>
      {asking?.for === 'edit' && <FileEditor sandbox={sandbox} file={asking.file} onSaved={again} onClose={close} />}
      {asking?.for === 'mkdir' && (
        <PathDialog
          title="New folder"
          initial=""
          submit="Make"
          onSubmit={async (name) => {
            await sandbox.files.mkdir(joined(here, name))
            await again()
          }}
          onClose={close}
        />
      )}
      {asking?.for === 'move' && (
        <PathDialog
          title={`Move ${asking.file.name}`}
          initial={asking.file.path}
          submit="Move"
          onSubmit={async (to) => {
            await sandbox.files.move(asking.file.path, to)
            await again()
          }}
          onClose={close}
        />
      )}
      {asking?.for === 'remove' && (
        <FormDialog
          title={`Delete ${asking.file.name}?`}
          text={asking.file.type === 'directory' ? 'With all that is in it.' : undefined}
          submit="Delete"
          danger
          onSubmit={async () => {
            await sandbox.files.remove(asking.file.path, { recursive: true })
            await again()
          }}
          onClose={close}
        />
      )}
    </section>
  )
}

async function directory(
  sandbox: Sandbox,
  path: string,
): Promise<{ path: string; entries: FileInfo[]; truncated: boolean }> {
  const [info, entries] = await Promise.all([sandbox.files.stat(path), sandbox.files.list(path, { limit: MOST })])
  const sorted = entries.toSorted(
    (a, b) => Number(isDirectory(b)) - Number(isDirectory(a)) || (a.name < b.name ? -1 : 1),
  )
  return { path: info.path, entries: sorted, truncated: entries.length === MOST }
}

function isDirectory({ type }: FileInfo): boolean {
  return type === 'directory'
}

function columnsFor(sandbox: Sandbox, go: (path: string) => void, ask: (asking: Asking) => void): Column<FileInfo>[] {
  const entries = (file: FileInfo): MenuEntry[] => [
    ...(file.type === 'file'
      ? [
          { label: 'Open', onSelect: () => ask({ for: 'edit', file }) },
          {
            label: 'Download',
            onSelect: () => void doing('The download', `${file.name} is here`, () => download(sandbox, file)),
          },
        ]
      : []),
    { label: 'Move', needs: 'write', onSelect: () => ask({ for: 'move', file }) },
    { label: 'Delete', needs: 'write', danger: true, onSelect: () => ask({ for: 'remove', file }) },
  ]
  return [
    {
      id: 'name',
      header: 'Name',
      cell: (file) => {
        if (isDirectory(file))
          return (
            <button type="button" className="link" onClick={() => go(file.path)}>
              {file.name}/
            </button>
          )
        if (file.type === 'file')
          return (
            <button type="button" className="link" onClick={() => ask({ for: 'edit', file })}>
              {file.name}
            </button>
          )
        return (
          <>
            {file.name} {file.symlinkTarget !== null && <span className="sub">→ {file.symlinkTarget}</span>}
          </>
        )
      },
    },
    {
      id: 'size',
      header: 'Size',
      align: 'number',
      cell: (file) => (isDirectory(file) ? '' : formatBytes(file.sizeBytes)),
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

async function download(sandbox: Sandbox, file: FileInfo): Promise<void> {
  const parts: BlobPart[] = []
  for await (const part of sandbox.files.readStream(file.path)) parts.push(new Uint8Array(part))
  saveAs(file.name, parts)
}

function UploadButton({ onFiles }: { onFiles: (files: Iterable<File>) => void }) {
  const input = useRef<HTMLInputElement>(null)
  return (
    <>
      <Button look="small primary" needs="write" onClick={() => input.current?.click()}>
        Upload
      </Button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to upload"
        onChange={({ target }) => {
          onFiles([...(target.files ?? [])])
          target.value = ''
        }}
      />
    </>
  )
}

interface PathDialogProps {
  title: string
  initial: string
  submit: string
  onSubmit: (path: string) => Promise<unknown>
  onClose: () => void
}

function PathDialog({ title, initial, submit, onSubmit, onClose }: PathDialogProps) {
  const [path, setPath] = useState(initial)
  return (
    <FormDialog title={title} submit={submit} disabled={path === ''} onSubmit={() => onSubmit(path)} onClose={onClose}>
      <TextField label="Path" value={path} onChange={(event) => setPath(event.target.value)} />
    </FormDialog>
  )
}
