import type { ComponentProps } from 'react'
import type { Scope } from 'spawnpoint'
import { useLack } from '../key.tsx'
import { say } from './toasts.tsx'

type Look = 'primary' | 'danger' | 'quiet' | 'small'

interface ButtonProps extends ComponentProps<'button'> {
  look?: Look | `${Look} ${Look}` | ''
  /** With a key that lacks it the button does nothing but say so; it can still be reached, or nobody would learn why */
  needs?: Scope | undefined
}

/** A button that does something; what leads elsewhere is a link. */
export function Button({ look = '', className = '', needs, ...rest }: ButtonProps) {
  const lack = useLack()(needs)
  const refused =
    lack === null ? {} : { 'aria-disabled': true, title: lack, type: 'button' as const, onClick: () => say(lack) }
  return <button type="button" {...rest} {...refused} className={`button ${look} ${className}`} />
}
