import { useState } from 'react'
import type { PortAccess, Sandbox, TimeoutPolicy } from 'spawnpoint'
import { durationText, nameOf, parseDuration } from '../format.ts'
import { pairsText, parsePairs, sandboxNameError } from '../names.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { CheckField, SelectField, TextAreaField, TextField } from '../ui/field.tsx'
import { listOf } from './create-form.ts'
import { parsePorts, portsText } from './port-access.ts'

interface ChangeProps {
  sandbox: Sandbox
  onClose: () => void
}

export function IdentityDialog({ sandbox, onClose }: ChangeProps) {
  const [name, setName] = useState(sandbox.name ?? '')
  const [labelText, setLabels] = useState(pairsText(sandbox.labels))
  const [envText, setEnv] = useState(pairsText(sandbox.info.env))
  const [labels, env] = [parsePairs(labelText), parsePairs(envText)]
  const error = sandboxNameError(name)
  const save = () =>
    sandbox.update({
      name: name === '' ? null : name,
      ...('pairs' in labels && { labels: labels.pairs }),
      ...('pairs' in env && { env: env.pairs }),
    })
  return (
    <FormDialog
      title={`Change ${nameOf(sandbox)}`}
      submit="Save"
      disabled={error !== null || 'error' in labels || 'error' in env}
      onSubmit={save}
      onClose={onClose}
    >
      <TextField label="Name" value={name} onChange={(event) => setName(event.target.value)} error={error} />
      <TextAreaField
        label="Labels"
        placeholder="project=demo"
        value={labelText}
        onChange={(event) => setLabels(event.target.value)}
        error={'error' in labels ? labels.error : null}
      />
      <TextAreaField
        label="Environment"
        placeholder="KEY=value"
        value={envText}
        onChange={(event) => setEnv(event.target.value)}
        error={'error' in env ? env.error : null}
        hint="For processes that start from now on"
      />
    </FormDialog>
  )
}

const THEN = [
  { value: 'kill', label: 'Kill it' },
  { value: 'pause', label: 'Pause it' },
  { value: 'stop', label: 'Stop it' },
] as const

export function TimeDialog({ sandbox, onClose }: ChangeProps) {
  const { timeout } = sandbox.info
  const written = (ms: number | null) => (ms === null ? '' : durationText(ms))
  const [form, setForm] = useState({
    timeoutMs: written(timeout.timeoutMs),
    idleTimeoutMs: written(timeout.idleTimeoutMs),
    deleteAfterMs: written(timeout.deleteAfterMs),
  })
  const [onTimeout, setOnTimeout] = useState<TimeoutPolicy['onTimeout']>(timeout.onTimeout)
  const [autoResume, setAutoResume] = useState(timeout.autoResume)
  const wrong = (text: string) => (text.trim() === '' || parseDuration(text) ? null : 'Write 90s, 30m, 2h or 1d')
  const ms = (text: string) => (text.trim() === '' ? null : parseDuration(text))
  const field = (name: keyof typeof form, label: string, hint: string) => (
    <TextField
      label={label}
      placeholder="never"
      value={form[name]}
      onChange={(event) => setForm((old) => ({ ...old, [name]: event.target.value }))}
      error={wrong(form[name])}
      hint={hint}
    />
  )
  const save = () =>
    sandbox.update({
      timeout: {
        // Said again it would count anew from now.
        ...(form.timeoutMs !== written(timeout.timeoutMs) && { timeoutMs: ms(form.timeoutMs) }),
        idleTimeoutMs: ms(form.idleTimeoutMs),
        deleteAfterMs: ms(form.deleteAfterMs),
        onTimeout,
        autoResume,
      },
    })
  return (
    <FormDialog
      title={`Time of ${nameOf(sandbox)}`}
      submit="Save"
      disabled={Object.values(form).some((text) => wrong(text) !== null)}
      onSubmit={save}
      onClose={onClose}
    >
      <div className="field-row">
        {field('timeoutMs', 'Timeout', 'A new one counts from now')}
        {field('idleTimeoutMs', 'Without use', 'Since the last request to it')}
      </div>
      <SelectField
        label="Then"
        value={onTimeout}
        onChange={(value) => setOnTimeout(THEN.find((one) => one.value === value)?.value ?? 'kill')}
        options={THEN}
      />
      <CheckField
        label="Wake it by use"
        hint="A request to it brings it back when it is paused or stopped"
        checked={autoResume}
        onChange={setAutoResume}
      />
      {field('deleteAfterMs', 'Kill it when it has rested for', 'Paused, stopped or failed')}
    </FormDialog>
  )
}

const ACCESS = [
  { value: 'open', label: 'Anybody' },
  { value: 'token', label: 'Who shows a token' },
  { value: 'closed', label: 'Nobody' },
] as const

export function NetworkDialog({ sandbox, onClose }: ChangeProps) {
  const { network, ingress } = sandbox.info
  const [internet, setInternet] = useState(network.internet)
  const [form, setForm] = useState({
    allow: network.allow.join('\n'),
    deny: network.deny.join('\n'),
    allowDomains: network.allowDomains.join('\n'),
  })
  const [access, setAccess] = useState<PortAccess>(ingress.default)
  const [portText, setPorts] = useState(portsText(ingress.ports))
  const ports = parsePorts(portText)
  const field = (name: keyof typeof form, label: string, placeholder: string, hint: string) => (
    <TextAreaField
      label={label}
      placeholder={placeholder}
      rows={2}
      value={form[name]}
      onChange={(event) => setForm((old) => ({ ...old, [name]: event.target.value }))}
      hint={hint}
    />
  )
  const save = () =>
    sandbox.update({
      network: {
        internet,
        allow: listOf(form.allow),
        deny: listOf(form.deny),
        allowDomains: listOf(form.allowDomains),
      },
      ingress: { default: access, ...('ports' in ports && { ports: ports.ports }) },
    })
  return (
    <FormDialog
      title={`Network of ${nameOf(sandbox)}`}
      submit="Save"
      disabled={'error' in ports}
      onSubmit={save}
      onClose={onClose}
    >
      <CheckField label="Internet" checked={internet} onChange={setInternet} hint="Outgoing connections at all" />
      {field('allow', 'Allow these networks', '10.0.0.0/8', 'Addresses with their masks, a line each')}
      {field(
        'allowDomains',
        'Allow these hosts',
        'api.example.com\n*.example.org',
        'Over HTTP and TLS on ports 80 and 443',
      )}
      {field('deny', 'Deny these networks', '192.168.0.0/16', '')}
      <SelectField
        label="Who reaches its ports"
        value={access}
        onChange={(value) => setAccess(ACCESS.find((one) => one.value === value)?.value ?? 'closed')}
        options={ACCESS}
      />
      <TextAreaField
        label="But these ports"
        placeholder="8080=open"
        rows={2}
        value={portText}
        onChange={(event) => setPorts(event.target.value)}
        error={'error' in ports ? ports.error : null}
        hint="PORT=open, token or closed, a line each"
      />
    </FormDialog>
  )
}
