import {
  type ColumnDef,
  createSortedRowModel,
  rowSortingFeature,
  sortFn_alphanumeric,
  sortFn_datetime,
  sortFn_text,
  tableFeatures,
  useTable,
} from '@tanstack/react-table'
import { type ReactNode, useState } from 'react'
import { Empty } from './bits.tsx'
import { Button } from './button.tsx'

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { alphanumeric: sortFn_alphanumeric, text: sortFn_text, datetime: sortFn_datetime },
})

/** Rows that are drawn at first, and how many more each time: a thousand with their menus take a second. */
const STEP = 100
/** Fewer rows are seen at once. */
const SEARCH_FROM = 12

export interface Column<T> {
  id: string
  /** Empty for the column of buttons */
  header: string
  cell: (item: T) => ReactNode
  /** What to sort by; absent: not sortable */
  sort?: (item: T) => string | number | Date | null
  align?: 'number' | 'end'
}

export interface DataTableProps<T> {
  label: string
  rows: readonly T[]
  /** Stable: made once, outside of the component or remembered; the first says what a row is about */
  columns: readonly Column<T>[]
  rowId: (row: T) => string
  empty: ReactNode
  /** What is searched through, where the page has no search of its own; asked for when there are many */
  find?: (row: T) => readonly (string | null)[]
}

/** A table; on a phone a list of cards, a row each. */
export function DataTable<T extends object>({ find, rows, ...table }: DataTableProps<T>) {
  const [search, setSearch] = useState('')
  if (find === undefined || rows.length < SEARCH_FROM) return <Rows {...table} rows={rows} />
  const wanted = search.trim().toLowerCase()
  const found = rows.filter((row) => find(row).some((text) => text?.toLowerCase().includes(wanted)))
  return (
    <>
      <div className="toolbar">
        <input
          className="input grow"
          type="search"
          placeholder="Search"
          aria-label={`Search ${table.label}`}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <span className="count" role="status">
          {found.length} of {rows.length}
        </span>
      </div>
      <Rows {...table} rows={found} empty={<Empty title={`Nothing matches “${search}”`} />} />
    </>
  )
}

function Rows<T extends object>({ label, rows, columns, rowId, empty }: Omit<DataTableProps<T>, 'find'>) {
  const [most, setMost] = useState(STEP)
  const table = useTable({
    features,
    data: rows as T[],
    getRowId: rowId,
    columns: columns.map(
      ({ id, header, sort }): ColumnDef<typeof features, T> => ({
        id,
        header,
        ...(sort === undefined
          ? { enableSorting: false }
          : { accessorFn: (row: T) => sort(row) ?? undefined, sortUndefined: 'last' as const }),
      }),
    ),
  })
  const byId = new Map(columns.map((column) => [column.id, column]))
  if (rows.length === 0)
    return (
      <div className="table-wrap">
        <div className="empty">{empty}</div>
      </div>
    )
  const sorted = table.getRowModel().rows
  return (
    <div className="table-wrap">
      <table className="table" aria-label={label}>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map(({ id, column }) => {
                const { header = '', align } = byId.get(column.id) ?? {}
                const direction = column.getIsSorted()
                return (
                  <th
                    key={id}
                    scope="col"
                    className={align}
                    aria-sort={direction === false ? undefined : direction === 'asc' ? 'ascending' : 'descending'}
                  >
                    {column.getCanSort() ? (
                      <button type="button" onClick={column.getToggleSortingHandler()}>
                        {header}{' '}
                        <span className="sorted" aria-hidden="true">
                          {direction === 'asc' ? '▲' : direction === 'desc' ? '▼' : ''}
                        </span>
                      </button>
                    ) : header === '' ? (
                      <span className="visually-hidden">Actions</span>
                    ) : (
                      header
                    )}
                  </th>
                )
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {sorted.slice(0, most).map((row) => (
            <tr key={row.id}>
              {columns.map(({ id, cell, align, header }) => (
                <td key={id} className={align} data-label={header}>
                  <div className="cell">{cell(row.original)}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {sorted.length > most && (
        <div className="table-foot">
          <span className="sub">
            {most} of {sorted.length}
          </span>
          <Button look="small" onClick={() => setMost(most + STEP)}>
            Show more
          </Button>
        </div>
      )}
    </div>
  )
}
