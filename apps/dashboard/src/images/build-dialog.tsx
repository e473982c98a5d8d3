import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { BuildStep } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { queries } from '../queries.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { CheckField, SelectField, TextAreaField, TextField } from '../ui/field.tsx'
import { doing } from '../ui/toasts.tsx'
import { imageNameError } from './names.ts'

/** By a recipe: commands over an image that is there. */
export function BuildDialog({ onClose }: { onClose: () => void }) {
  const client = useClient()
  const images = useQuery(queries.images(client))
  const [name, setName] = useState('')
  const [from, setFrom] = useState('')
  const [commands, setCommands] = useState('')
  const [startCommand, setStartCommand] = useState('')
  const [asRoot, setAsRoot] = useState(true)
  const names = [...new Set(images.data?.filter(({ state }) => state === 'ready').map((image) => image.name))]
  const base = from === '' ? (names[0] ?? '') : from
  const error = name === '' ? null : imageNameError(name)
  const lines = commands.split('\n').filter((line) => line.trim() !== '')
  const build = async () => {
    const steps: BuildStep[] = lines.map((command) => ({
      type: 'run',
      command,
      ...(asRoot && { user: 'root' }),
    }))
    const start = startCommand.trim() === '' ? {} : { startCommand: startCommand.trim() }
    void doing('The build', `Image ${name} is ready`, () =>
      client.images.build({ name, source: { type: 'recipe', from: base, steps, ...start } }),
    )
  }
  return (
    <FormDialog
      title="Build an image"
      submit="Build"
      disabled={name === '' || error !== null || base === ''}
      onSubmit={build}
      onClose={onClose}
    >
      <TextField label="Name" value={name} onChange={(event) => setName(event.target.value)} error={error} />
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
    </FormDialog>
  )
}
