import { useMemo } from 'react'
import type { ComparedFile, Comparison, FileChange } from 'spawnpoint'
import { formatBytes } from '../format.ts'
import { type Column, DataTable } from '../ui/data-table.tsx'

type Row = FileChange & { what: 'added' | 'removed' | 'changed' }

const TONE = { added: 'good', removed: 'bad', changed: 'warn' } as const

export function FileChanges({ files, onOpen }: { files: Comparison['files']; onOpen: (path: string) => void }) {
  const rows = useMemo<Row[]>(() => {
    const of = (what: Row['what']) => files[what].map((change) => ({ ...change, what }))
    return [...of('added'), ...of('removed'), ...of('changed')].sort((a, b) => (a.path < b.path ? -1 : 1))
  }, [files])
  const columns = useMemo(() => columnsFor(onOpen), [onOpen])
  return (
    <>
      <h2 className="below">Files</h2>
      <DataTable
        label="Files"
        rows={rows}
        columns={columns}
        rowId={({ path, what }) => `${what} ${path}`}
        empty="No file is different."
      />
    </>
  )
}

function columnsFor(onOpen: (path: string) => void): Column<Row>[] {
  return [
    {
      id: 'what',
      header: 'Change',
      sort: ({ what }) => what,
      cell: ({ what }) => <span className={`badge ${TONE[what]}`}>{what}</span>,
    },
    {
      id: 'path',
      header: 'Path',
      sort: ({ path }) => path,
      cell: ({ path, before, after }) =>
        (after ?? before)?.type === 'file' ? (
          <button type="button" className="link" onClick={() => onOpen(path)}>
            <code>{path}</code>
          </button>
        ) : (
          <code>{path}</code>
        ),
    },
    { id: 'differs', header: 'In', cell: ({ differs }) => differs.join(', ') },
    { id: 'size', header: 'Size', align: 'number', cell: ({ before, after }) => `${size(before)} → ${size(after)}` },
    {
      id: 'mode',
      header: 'Mode',
      cell: ({ before, after, differs }) =>
        differs.includes('mode') ? (
          <code>
            {mode(before)} → {mode(after)}
          </code>
        ) : (
          <code>{mode(after ?? before)}</code>
        ),
    },
  ]
}

function size(file: ComparedFile | null): string {
  return file === null || file.type !== 'file' ? '–' : formatBytes(file.sizeBytes)
}

function mode(file: ComparedFile | null): string {
  return file === null ? '–' : file.mode.toString(8).padStart(4, '0')
}
