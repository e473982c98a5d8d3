import { Age } from './bits.tsx'
import type { Column } from './data-table.tsx'
import { Menu, type MenuEntry } from './menu.tsx'

/** When something happened to the item, by which it can be sorted. */
export function ageColumn<T>(header: string, at: (item: T) => Date | null): Column<T> {
  return { id: header.toLowerCase(), header, sort: at, cell: (item) => <Age at={at(item)} /> }
}

/** What can be done with the item; `of` names it, for those who hear the page. */
export function menuColumn<T>(of: (item: T) => string, entries: (item: T) => MenuEntry[]): Column<T> {
  return {
    id: 'actions',
    header: '',
    align: 'end',
    cell: (item) => (
      <Menu label={`Actions for ${of(item)}`} entries={entries(item)}>
        •••
      </Menu>
    ),
  }
}
