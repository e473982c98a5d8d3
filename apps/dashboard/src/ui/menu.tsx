import { Menu as Base } from '@base-ui/react/menu'
import type { ReactNode } from 'react'
import type { Scope } from 'spawnpoint'
import { useLack } from '../key.tsx'

export interface MenuEntry {
  label: string
  danger?: boolean
  /** With a key that lacks it the entry cannot be chosen, and the menu says why */
  needs?: Scope | undefined
  onSelect: () => void
}

export function Menu({ label, children, entries }: { label: string; children: ReactNode; entries: MenuEntry[] }) {
  const lackOf = useLack()
  if (entries.length === 0) return null
  const lacks = new Set(entries.map(({ needs }) => lackOf(needs)).filter((lack) => lack !== null))
  return (
    <Base.Root>
      <Base.Trigger className="button small quiet" aria-label={label}>
        {children}
      </Base.Trigger>
      <Base.Portal>
        <Base.Positioner align="end" sideOffset={4} style={{ zIndex: 5 }}>
          <Base.Popup className="menu">
            {entries.map(({ label: text, danger, needs, onSelect }) => (
              <Base.Item
                key={text}
                className={danger ? 'menu-item danger' : 'menu-item'}
                disabled={lackOf(needs) !== null}
                onClick={onSelect}
              >
                {text}
              </Base.Item>
            ))}
            {[...lacks].map((lack) => (
              <div key={lack} className="menu-note">
                {lack}
              </div>
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  )
}
