import { useState } from 'react'
import type { CredentialRule, Sandbox } from 'spawnpoint'
import { Button } from '../ui/button.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { SelectField, TextAreaField, TextField } from '../ui/field.tsx'
import { asSet, formOf, type HeaderForm, type HeaderKind, NEW_HEADER, ruleOf } from './credential-form.ts'

const KINDS: { value: HeaderKind; label: string }[] = [
  { value: 'secret', label: 'Secret' },
  { value: 'template', label: 'Team’s secret' },
  { value: 'plain', label: 'Readable' },
]

function kindOf(text: string): HeaderKind {
  return KINDS.find(({ value }) => value === text)?.value ?? 'secret'
}

interface CredentialDialogProps {
  sandbox: Sandbox
  /** `null` for a new one */
  rule: CredentialRule | null
  onClose: () => void
}

export function CredentialDialog({ sandbox, rule, onClose }: CredentialDialogProps) {
  const { credentials } = sandbox.info
  const [form, setForm] = useState(() => formOf(rule))
  const others = credentials.filter(({ name }) => name !== rule?.name)
  const result = ruleOf(
    form,
    rule,
    others.map(({ name }) => name),
  )
  const save = async () => {
    if ('error' in result) throw new Error(result.error)
    const made = result.rule
    // In its place: the order decides which of several counts.
    await sandbox.update({
      credentials:
        rule === null
          ? [...credentials.map(asSet), made]
          : credentials.map((one) => (one.name === rule.name ? made : asSet(one))),
    })
  }
  const change = (changes: Partial<typeof form>) => setForm((old) => ({ ...old, ...changes }))
  const changeHeader = (index: number, changes: Partial<HeaderForm>) =>
    change({ headers: form.headers.map((header, at) => (at === index ? { ...header, ...changes } : header)) })
  return (
    <FormDialog
      title={rule === null ? 'New rule' : `Change ${rule.name}`}
      text="Over HTTP on port 80 and TLS on port 443."
      submit="Save"
      onSubmit={save}
      onClose={onClose}
    >
      <TextField label="Name" value={form.name} onChange={(event) => change({ name: event.target.value })} />
      <TextAreaField
        label="Hosts"
        placeholder={'api.example.com\n*.example.org'}
        rows={2}
        value={form.hosts}
        onChange={(event) => change({ hosts: event.target.value })}
      />
      <fieldset>
        <legend>Headers that requests get</legend>
        <p className="hint">
          In what is a team’s secret, {'{NAME}'} stands for one of the page Secrets: Bearer {'{OPENAI_API_KEY}'}.
        </p>
        {form.headers.map((header, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: rows are added at the end and never move
          <div key={index} className="header-row">
            <TextField
              label="Header"
              placeholder="authorization"
              value={header.name}
              onChange={(event) => changeHeader(index, { name: event.target.value })}
            />
            <TextField
              label="Value"
              type={header.kind === 'secret' ? 'password' : 'text'}
              autoComplete="new-password"
              placeholder={header.kind === 'template' ? 'Bearer {NAME}' : header.kept ? 'as it is' : 'Bearer …'}
              value={header.value}
              onChange={(event) => changeHeader(index, { value: event.target.value })}
            />
            <SelectField
              label="Kind"
              value={header.kind}
              options={KINDS}
              onChange={(text) => changeHeader(index, { kind: kindOf(text) })}
            />
          </div>
        ))}
        <Button look="small" onClick={() => change({ headers: [...form.headers, NEW_HEADER] })}>
          Another header
        </Button>
      </fieldset>
      <details className="more">
        <summary>Paths and variables</summary>
        <TextAreaField
          label="Only these paths"
          placeholder="/v1/*"
          rows={2}
          value={form.paths}
          onChange={(event) => change({ paths: event.target.value })}
          hint="A whole path, /prefix/* or */suffix; empty: all"
        />
        <TextAreaField
          label="Variables for its processes"
          placeholder="API_KEY=unused"
          rows={2}
          value={form.env}
          onChange={(event) => change({ env: event.target.value })}
          hint="Not secret; for clients that insist on a key"
        />
      </details>
    </FormDialog>
  )
}
