import type { Color, Paint } from './colors.ts'
import { printable } from './printable.ts'

export interface Column<T> {
  title: string
  value: (item: T) => string
  align?: 'right'
  color?: (item: T) => Color | null
}

/** Columns as wide as their widest value, two spaces apart. `width`: lines are cut there; absent for a file or pipe. */
export function formatTable<T>(
  items: readonly T[],
  columns: readonly Column<T>[],
  paint: Paint,
  width?: number,
): string {
  const cells = items.map((item) => columns.map((column) => printable(column.value(item))))
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...cells.map((row) => displayWidth(row[i] ?? ''))),
  )
  const line = (texts: string[], color: (i: number) => Color | null): string => {
    let left = width ?? Number.POSITIVE_INFINITY
    const parts = texts.map((text, i) => {
      const last = i === texts.length - 1
      const gap = ' '.repeat(Math.max(0, (widths[i] ?? 0) - displayWidth(text)))
      const padded = columns[i]?.align === 'right' ? gap + text : last ? text : text + gap
      const shown = cut(padded, left)
      left -= displayWidth(shown) + 2
      const name = color(i)
      return name === null ? shown : paint(name, shown)
    })
    return parts.join('  ').trimEnd()
  }
  const header = line(
    columns.map(({ title }) => title),
    () => 'bold',
  )
  const rows = cells.map((row, at) => line(row, (i) => columns[i]?.color?.(items[at] as T) ?? null))
  return `${[header, ...rows].join('\n')}\n`
}

/** `name: value` lines, the values below each other; absent ones are left out. */
export function formatFields(fields: readonly (readonly [string, string | null | undefined])[], paint: Paint): string {
  const given = fields.filter(
    (field): field is readonly [string, string] => field[1] !== null && field[1] !== undefined,
  )
  const width = Math.max(0, ...given.map(([name]) => name.length))
  return given
    .map(([name, value]) => `${paint('bold', `${name}:`)}${' '.repeat(width - name.length)} ${printable(value)}\n`)
    .join('')
}

function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  if (width <= 1) return ''
  let kept = ''
  for (const character of text) {
    if (displayWidth(kept + character) > width - 1) break
    kept += character
  }
  return `${kept}…`
}

/** Columns a text takes: East Asian wide characters and emoji take two, combining marks none. */
function displayWidth(text: string): number {
  let width = 0
  for (const character of text) {
    if (/\p{Mark}/u.test(character)) continue
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u.test(
        character,
      )
        ? 2
        : 1
  }
  return width
}
