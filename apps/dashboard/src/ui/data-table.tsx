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
import type { ReactNode } from 'react'

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { alphanumeric: sortFn_alphanumeric, text: sortFn_text, datetime: sortFn_datetime },
})

export interface Column<T> {
  id: string
  header: string
  cell: (item: T) => ReactNode
  /** What to sort by; absent: not sortable */
  sort?: (item: T) => string | number | Date | null
  align?: 'number' | 'end'
}

interface DataTableProps<T> {
  label: string
  rows: readonly T[]
  /** Stable: made once, outside of the component or remembered */
  columns: readonly Column<T>[]
  rowId: (row: T) => string
  empty: ReactNode
}

export function DataTable<T extends object>({ label, rows, columns, rowId, empty }: DataTableProps<T>) {
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
  return (
    <div className="table-wrap">
      <table className="table" aria-label={label}>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map(({ id, column }) => {
                const { header = '', align } = byId.get(column.id) ?? {}
                const sorted = column.getIsSorted()
                return (
                  <th
                    key={id}
                    scope="col"
                    className={align}
                    aria-sort={sorted === false ? undefined : sorted === 'asc' ? 'ascending' : 'descending'}
                  >
                    {column.getCanSort() ? (
                      <button type="button" onClick={column.getToggleSortingHandler()}>
                        {header} <span aria-hidden="true">{sorted === 'asc' ? '▲' : sorted === 'desc' ? '▼' : ''}</span>
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
          {table.getRowModel().rows.map((row) => (
            <tr key={row.id}>
              {columns.map(({ id, cell, align }) => (
                <td key={id} className={align}>
                  {cell(row.original)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <div className="empty">{empty}</div>}
    </div>
  )
}
