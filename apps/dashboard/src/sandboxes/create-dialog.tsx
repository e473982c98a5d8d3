import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { CreateSandbox, SnapshotKind, TimeoutPolicy } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { nameOf, parseDuration, parseSize } from '../format.ts'
import { parsePairs, sandboxNameError } from '../names.ts'
import { queries } from '../queries.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { CheckField, SelectField, TextAreaField, TextField } from '../ui/field.tsx'

const EMPTY = {
  source: '',
  name: '',
  cpus: '',
  memory: '',
  disk: '',
  timeout: '',
  onTimeout: 'kill' as TimeoutPolicy['onTimeout'],
  autoResume: false,
  internet: true,
  allow: '',
  ports: 'open' as 'open' | 'token' | 'closed',
  env: '',
  labels: '',
  cron: '',
  cronKind: 'filesystem' as SnapshotKind,
}
type Form = typeof EMPTY

const ON_TIMEOUT = [
  { value: 'kill', label: 'Kill it' },
  { value: 'pause', label: 'Pause it' },
  { value: 'stop', label: 'Stop it' },
] as const
const PORTS = [
  { value: 'open', label: 'Anybody' },
  { value: 'token', label: 'Who shows a token' },
  { value: 'closed', label: 'Nobody' },
] as const
const KINDS = [
  { value: 'filesystem', label: 'Files only' },
  { value: 'memory', label: 'Memory and files' },
] as const

export function CreateDialog({ onClose, snapshot }: { onClose: () => void; snapshot?: string }) {
  const client = useClient()
  const navigate = useNavigate()
  const [form, setForm] = useState<Form>({ ...EMPTY, source: snapshot === undefined ? '' : `snapshot ${snapshot}` })
  const images = useQuery(queries.images(client))
  const snapshots = useQuery(queries.snapshots(client))
  const change = <K extends keyof Form>(name: K, value: Form[K]) => setForm((old) => ({ ...old, [name]: value }))

  // A name means the latest image that bears it.
  const imageNames = [...new Set(images.data?.filter(({ state }) => state === 'ready').map(({ name }) => name))]
  const options = [
    ...imageNames.map((name) => ({ value: `image ${name}`, label: `Image ${name}` })),
    ...(snapshots.data ?? [])
      .filter(({ state }) => state === 'ready')
      .map((one) => ({ value: `snapshot ${one.id}`, label: `Snapshot ${nameOf(one)} (${one.kind})` })),
  ]
  const source = form.source === '' ? (options[0]?.value ?? '') : form.source
  const errors = errorsOf(form)
  const broken = Object.values(errors).some((error) => error !== null)

  const create = async () => {
    const sandbox = await client.sandboxes.create(requestOf(form, source))
    if (form.cron.trim() !== '')
      await client.schedules.create({
        sandbox: sandbox.id,
        cron: form.cron.trim(),
        kind: form.cronKind,
        timeZone: ZONE,
      })
    await navigate({ to: '/sandboxes/$id', params: { id: sandbox.id } })
  }
  const text = (name: 'name' | 'cpus' | 'memory' | 'disk' | 'timeout' | 'allow' | 'cron') => ({
    value: form[name],
    onChange: (event: { target: { value: string } }) => change(name, event.target.value),
    error: errors[name] ?? null,
  })
  return (
    <FormDialog
      title="New sandbox"
      submit="Create"
      disabled={broken || source === ''}
      onSubmit={create}
      onClose={onClose}
    >
      {options.length === 0 && images.data !== undefined ? (
        <div className="notice warn">There is no image yet: pull or build one on the page Images.</div>
      ) : (
        <SelectField label="From" value={source} onChange={(value) => change('source', value)} options={options} />
      )}
      <TextField label="Name" {...text('name')} hint="Unique among the living ones; may be left empty" />
      <div className="field-row">
        <TextField label="CPUs" placeholder="default" inputMode="decimal" {...text('cpus')} />
        <TextField label="Memory" placeholder="default" {...text('memory')} />
        <TextField label="Disk" placeholder="default" {...text('disk')} />
      </div>
      <div className="field-row">
        <TextField label="Timeout" placeholder="never" {...text('timeout')} hint="30m, 2h, 1d" />
        <SelectField
          label="Then"
          value={form.onTimeout}
          onChange={(value) => change('onTimeout', ON_TIMEOUT.find((one) => one.value === value)?.value ?? 'kill')}
          options={ON_TIMEOUT}
        />
      </div>
      <details className="more">
        <summary>Network, schedule, variables</summary>
        <CheckField
          label="Wake it by use"
          hint="A request to it brings it back when it is paused or stopped"
          checked={form.autoResume}
          onChange={(checked) => change('autoResume', checked)}
        />
        <CheckField label="Internet" checked={form.internet} onChange={(checked) => change('internet', checked)} />
        <TextField
          label="Allow only these networks"
          placeholder="10.0.0.0/8, 192.0.2.7/32"
          {...text('allow')}
          hint="Addresses with their masks, parted by commas; empty: all that the box above allows"
        />
        <SelectField
          label="Who reaches its ports"
          value={form.ports}
          onChange={(value) => change('ports', PORTS.find((one) => one.value === value)?.value ?? 'open')}
          options={PORTS}
        />
        <div className="field-row">
          <TextField
            label="Snapshots by schedule"
            placeholder="0 3 * * *"
            {...text('cron')}
            hint={`Cron, in ${ZONE}`}
          />
          <SelectField
            label="Of"
            value={form.cronKind}
            onChange={(value) => change('cronKind', value === 'memory' ? 'memory' : 'filesystem')}
            options={KINDS}
          />
        </div>
        <TextAreaField
          label="Environment"
          placeholder="KEY=value"
          value={form.env}
          onChange={(event) => change('env', event.target.value)}
          error={errors.env ?? null}
        />
        <TextAreaField
          label="Labels"
          placeholder="project=demo"
          value={form.labels}
          onChange={(event) => change('labels', event.target.value)}
          error={errors.labels ?? null}
        />
      </details>
    </FormDialog>
  )
}

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone

function errorsOf(form: Form): Partial<Record<keyof Form, string | null>> {
  const size = (text: string) => (text.trim() === '' || parseSize(text) ? null : 'Write 512M or 2G')
  const pairs = (text: string) => {
    const parsed = parsePairs(text)
    return 'error' in parsed ? parsed.error : null
  }
  return {
    name: sandboxNameError(form.name),
    cpus: form.cpus.trim() === '' || Number(form.cpus) > 0 ? null : 'A number such as 0.5 or 2',
    memory: size(form.memory),
    disk: size(form.disk),
    timeout: form.timeout.trim() === '' || parseDuration(form.timeout) ? null : 'Write 90s, 30m, 2h or 1d',
    cron:
      form.cron.trim() === '' || form.cron.trim().split(/\s+/).length === 5 ? null : 'Five fields, such as 0 3 * * *',
    env: pairs(form.env),
    labels: pairs(form.labels),
  }
}

function requestOf(form: Form, source: string): CreateSandbox {
  const [kind, ref] = source.split(' ', 2)
  const env = parsePairs(form.env)
  const labels = parsePairs(form.labels)
  const allow = form.allow.split(/[\s,]+/).filter((text) => text !== '')
  const given = (text: string, parse: (text: string) => number | null) =>
    text.trim() === '' ? undefined : (parse(text) ?? undefined)
  const timeoutMs = given(form.timeout, parseDuration)
  return {
    ...(kind === 'image' ? { image: ref } : { snapshot: ref }),
    name: form.name === '' ? undefined : form.name,
    resources: {
      ...defined('cpus', given(form.cpus, Number)),
      ...defined('memoryBytes', given(form.memory, parseSize)),
      ...defined('diskBytes', given(form.disk, parseSize)),
    },
    timeout: { ...defined('timeoutMs', timeoutMs), onTimeout: form.onTimeout, autoResume: form.autoResume },
    network: { internet: form.internet, ...(allow.length > 0 && { allow }) },
    ingress: { default: form.ports },
    ...('pairs' in env && { env: env.pairs }),
    ...('pairs' in labels && { labels: labels.pairs }),
  }
}

/** A field only where it is given: what is absent comes from the source. */
function defined<K extends string, V>(name: K, value: V | undefined): { [N in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [N in K]: V })
}
