import type { ComponentProps } from 'react'

type Look = 'primary' | 'danger' | 'quiet' | 'small'

/** A button that does something; what leads elsewhere is a link. */
export function Button({
  look = '',
  className = '',
  ...rest
}: ComponentProps<'button'> & { look?: Look | `${Look} ${Look}` | '' }) {
  return <button type="button" {...rest} className={`button ${look} ${className}`} />
}
