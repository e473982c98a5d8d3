import { useId, useRef } from 'react'
import { Button } from '../ui/button.tsx'
import { contextError, contextText } from './context.ts'

interface ContextFieldProps {
  files: readonly File[]
  onChange: (files: File[]) => void
}

/** A directory, or a tar archive of one, that COPY and ADD take from. */
export function ContextField({ files, onChange }: ContextFieldProps) {
  const id = useId()
  const directory = useRef<HTMLInputElement | null>(null)
  const archive = useRef<HTMLInputElement>(null)
  const error = contextError(files)
  const chosen = ({ target }: { target: HTMLInputElement }) => {
    onChange([...(target.files ?? [])])
    target.value = ''
  }
  return (
    <fieldset className="field" aria-describedby={id}>
      <legend>Files to copy</legend>
      <div className="chosen">
        <span>{contextText(files)}</span>
        <Button look="small" onClick={() => directory.current?.click()}>
          Directory…
        </Button>
        <Button look="small" onClick={() => archive.current?.click()}>
          Archive…
        </Button>
        {files.length > 0 && (
          <Button look="small quiet" onClick={() => onChange([])}>
            Clear
          </Button>
        )}
      </div>
      <input
        ref={(element) => {
          directory.current = element
          // React knows no such attribute.
          if (element !== null) element.webkitdirectory = true
        }}
        type="file"
        hidden
        aria-label="Directory to copy from"
        onChange={chosen}
      />
      <input
        ref={archive}
        type="file"
        accept=".tar,.gz,.tgz"
        hidden
        aria-label="Archive to copy from"
        onChange={chosen}
      />
      <div id={id} className={error === null ? 'hint' : 'error'} role={error === null ? undefined : 'alert'}>
        {error ??
          'What COPY and ADD find. Browsers tell no permissions: all may be run. A tar archive, plain or gzip, keeps them'}
      </div>
    </fieldset>
  )
}
