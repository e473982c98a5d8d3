import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { BuildImage } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { queries } from '../queries.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { CheckField, SelectField, TextAreaField, TextField } from '../ui/field.tsx'
import { doing } from '../ui/toasts.tsx'
import { imageNameError } from './names.ts'

const WAYS = [
  { value: 'commands', label: 'Commands over an image that is here' },
  { value: 'dockerfile', label: 'A Dockerfile, without files of its own' },
] as const

export function BuildDialog({ onClose }: { onClose: () => void }) {
  const client = useClient()
  const images = useQuery(queries.images(client))
  const [name, setName] = useState('')
  const [way, setWay] = useState<(typeof WAYS)[number]['value']>('commands')
  const [from, setFrom] = useState('')
  const [commands, setCommands] = useState('')
  const [startCommand, setStartCommand] = useState('')
  const [asRoot, setAsRoot] = useState(true)
  const [dockerfile, setDockerfile] = useState('')
  const names = [...new Set(images.data?.filter(({ state }) => state === 'ready').map((image) => image.name))]
  const base = from === '' ? (names[0] ?? '') : from
  const error = name === '' ? null : imageNameError(name)
  const source = (): BuildImage['source'] => {
    if (way === 'dockerfile') return { type: 'dockerfile', dockerfile }
    const lines = commands.split('\n').filter((line) => line.trim() !== '')
    const steps = lines.map((command) => ({ type: 'run' as const, command, ...(asRoot && { user: 'root' }) }))
    const start = startCommand.trim() === '' ? {} : { startCommand: startCommand.trim() }
    return { type: 'recipe', from: base, steps, ...start }
  }
  // Not waited for: the list shows how far it is, and the log what it does.
  const build = async () => {
    void doing('The build', `Image ${name} is ready`, () => client.images.build({ name, source: source() }))
  }
  const complete = way === 'dockerfile' ? dockerfile.trim() !== '' : base !== ''
  return (
    <FormDialog
      title="Build an image"
      submit="Build"
      disabled={name === '' || error !== null || !complete}
      onSubmit={build}
      onClose={onClose}
    >
      <TextField label="Name" value={name} onChange={(event) => setName(event.target.value)} error={error} />
      <SelectField
        label="Of"
        value={way}
        onChange={(value) => setWay(value === 'dockerfile' ? 'dockerfile' : 'commands')}
        options={WAYS}
      />
      {way === 'dockerfile' ? (
        <TextAreaField
          label="Dockerfile"
          rows={10}
          placeholder={'FROM python:3.13-slim\nRUN pip install requests'}
          value={dockerfile}
          onChange={(event) => setDockerfile(event.target.value)}
          hint="With files to copy: spawnpoint image build"
        />
      ) : (
        <>
          <SelectField
            label="From"
            value={base}
            onChange={setFrom}
            options={names.map((value) => ({ value, label: value }))}
          />
          <TextAreaField
            label="Commands"
            placeholder={'apt-get update\napt-get install -y git'}
            value={commands}
            onChange={(event) => setCommands(event.target.value)}
            hint="One a line, each a step; what an earlier build did already is not done again"
          />
          <CheckField label="As root" checked={asRoot} onChange={setAsRoot} />
          <TextField
            label="Start command"
            value={startCommand}
            onChange={(event) => setStartCommand(event.target.value)}
            hint="Runs already, with its memory, in every sandbox of the image"
          />
        </>
      )}
    </FormDialog>
  )
}
