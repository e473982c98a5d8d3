import type { ReactNode } from 'react'
import { Answer } from './bits.tsx'
import { DataTable, type DataTableProps } from './data-table.tsx'

interface ListPageProps<T> extends Omit<DataTableProps<T>, 'label' | 'rows'> {
  title: string
  /** What the page and its table are headed with, where that is not the title */
  heading?: string
  /** Buttons beside the heading */
  actions: ReactNode
  query: { data: T[] | undefined; error: unknown; refetch: () => unknown }
  /** Dialogs that are open */
  children: ReactNode
}

/** A page that is a list of one kind of thing, and what makes more of it. */
export function ListPage<T extends object>({
  title,
  heading = title,
  actions,
  query,
  children,
  ...table
}: ListPageProps<T>) {
  return (
    <>
      <title>{`${title} · Spawnpoint`}</title>
      <div className="page-head">
        <h1>{heading}</h1>
        <div className="actions">{actions}</div>
      </div>
      <Answer query={query}>{(rows) => <DataTable label={heading} rows={rows} {...table} />}</Answer>
      {children}
    </>
  )
}
