import { type ComponentProps, type ReactNode, useId } from 'react'

interface FieldProps {
  label: string
  hint?: ReactNode
  error?: string | null
}

export function TextField({ label, hint, error = null, ...input }: FieldProps & Omit<ComponentProps<'input'>, 'id'>) {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        autoComplete="off"
        spellCheck={false}
        {...input}
        id={id}
        className="input"
        aria-invalid={error !== null}
        aria-describedby={`${id}-about`}
      />
      <About id={`${id}-about`} hint={hint} error={error} />
    </div>
  )
}

export function TextAreaField({
  label,
  hint,
  error = null,
  ...area
}: FieldProps & Omit<ComponentProps<'textarea'>, 'id'>) {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <textarea
        rows={3}
        spellCheck={false}
        {...area}
        id={id}
        className="textarea"
        aria-invalid={error !== null}
        aria-describedby={`${id}-about`}
      />
      <About id={`${id}-about`} hint={hint} error={error} />
    </div>
  )
}

interface SelectProps extends FieldProps {
  value: string
  onChange: (value: string) => void
  options: readonly { value: string; label: string }[]
}

export function SelectField({ label, hint, error = null, value, onChange, options }: SelectProps) {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        className="select"
        value={value}
        onChange={(event) => onChange(event.target.value)}
        aria-describedby={`${id}-about`}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
      <About id={`${id}-about`} hint={hint} error={error} />
    </div>
  )
}

export function CheckField({
  label,
  hint,
  checked,
  onChange,
}: {
  label: string
  hint?: ReactNode
  checked: boolean
  onChange: (checked: boolean) => void
}) {
  return (
    <label className="check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} />
      <span>
        {label}
        {hint !== undefined && <span className="hint">{hint}</span>}
      </span>
    </label>
  )
}

function About({ id, hint, error }: { id: string; hint: ReactNode; error: string | null }) {
  return (
    <div id={id} className={error === null ? 'hint' : 'error'} role={error === null ? undefined : 'alert'}>
      {error ?? hint}
    </div>
  )
}
