import { Menu as Base } from '@base-ui/react/menu'
import type { ReactNode } from 'react'

export interface MenuEntry {
  label: string
  danger?: boolean
  onSelect: () => void
}

export function Menu({ label, children, entries }: { label: string; children: ReactNode; entries: MenuEntry[] }) {
  if (entries.length === 0) return null
  return (
    <Base.Root>
      <Base.Trigger className="button small quiet" aria-label={label}>
        {children}
      </Base.Trigger>
      <Base.Portal>
        <Base.Positioner align="end" sideOffset={4} style={{ zIndex: 5 }}>
          <Base.Popup className="menu">
            {entries.map(({ label: text, danger, onSelect }) => (
              <Base.Item key={text} className={danger ? 'menu-item danger' : 'menu-item'} onClick={onSelect}>
                {text}
              </Base.Item>
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  )
}
