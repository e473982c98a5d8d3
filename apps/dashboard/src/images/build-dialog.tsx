import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import type { Image } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { parsePairs } from '../names.ts'
import { queries } from '../queries.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { CheckField, SelectField, TextAreaField, TextField } from '../ui/field.tsx'
import { doing } from '../ui/toasts.tsx'
import { contextError, contextOf } from './context.ts'
import { ContextField } from './context-field.tsx'
import { imageNameError } from './names.ts'

const WAYS = [
  { value: 'commands', label: 'Commands over an image that is here' },
  { value: 'dockerfile', label: 'A Dockerfile' },
] as const

export function BuildDialog({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('')
  const [way, setWay] = useState<(typeof WAYS)[number]['value']>('commands')
  const ways = { commands: useCommands(name), dockerfile: useDockerfile(name) }
  const { complete, build, fields } = ways[way]
  const error = name === '' ? null : imageNameError(name)
  // Not waited for: the list shows how far it is, and the log what it does.
  const start = async () => {
    void doing('The build', `Image ${name} is ready`, build)
  }
  return (
    <FormDialog
      title="Build an image"
      submit="Build"
      disabled={name === '' || error !== null || !complete}
      onSubmit={start}
      onClose={onClose}
    >
      <TextField label="Name" value={name} onChange={(event) => setName(event.target.value)} error={error} />
      <SelectField
        label="Of"
        value={way}
        onChange={(value) => setWay(value === 'dockerfile' ? 'dockerfile' : 'commands')}
        options={WAYS}
      />
      {fields}
    </FormDialog>
  )
}

interface Way {
  complete: boolean
  build: () => Promise<Image>
  fields: ReactNode
}

function useCommands(name: string): Way {
  const client = useClient()
  const images = useQuery(queries.images(client))
  const [from, setFrom] = useState('')
  const [commands, setCommands] = useState('')
  const [startCommand, setStartCommand] = useState('')
  const [asRoot, setAsRoot] = useState(true)
  const names = [...new Set(images.data?.filter(({ state }) => state === 'ready').map((image) => image.name))]
  const base = from === '' ? (names[0] ?? '') : from
  const build = () => {
    const lines = commands.split('\n').filter((line) => line.trim() !== '')
    const steps = lines.map((command) => ({ type: 'run' as const, command, ...(asRoot && { user: 'root' }) }))
    const start = startCommand.trim() === '' ? {} : { startCommand: startCommand.trim() }
    return client.images.build({ name, source: { type: 'recipe', from: base, steps, ...start } })
  }
  const fields = (
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
  )
  return { complete: base !== '', build, fields }
}

function useDockerfile(name: string): Way {
  const client = useClient()
  const [dockerfile, setDockerfile] = useState('')
  const [files, setFiles] = useState<File[]>([])
  const [path, setPath] = useState('')
  const [target, setTarget] = useState('')
  const [argText, setArgs] = useState('')
  const args = parsePairs(argText)
  const build = async () => {
    const context = await contextOf(files)
    return client.images.buildDockerfile({
      name,
      ...(dockerfile.trim() !== '' && { dockerfile }),
      ...(path.trim() !== '' && { path: path.trim() }),
      ...(context !== undefined && { context }),
      ...(target.trim() !== '' && { target: target.trim() }),
      ...('pairs' in args && { buildArgs: args.pairs }),
    })
  }
  const fields = (
    <>
      <ContextField files={files} onChange={setFiles} />
      <TextAreaField
        label="Dockerfile"
        rows={8}
        placeholder={
          files.length > 0 ? 'The one in the files above' : 'FROM python:3.13-slim\nRUN pip install requests'
        }
        value={dockerfile}
        onChange={(event) => setDockerfile(event.target.value)}
      />
      <details className="more">
        <summary>Path, stage, arguments</summary>
        <div className="field-row">
          <TextField
            label="Where it is in the files"
            placeholder="Dockerfile"
            value={path}
            onChange={(event) => setPath(event.target.value)}
          />
          <TextField
            label="Stage"
            placeholder="the last"
            value={target}
            onChange={(event) => setTarget(event.target.value)}
          />
        </div>
        <TextAreaField
          label="Build arguments"
          placeholder="VERSION=1.2"
          rows={2}
          value={argText}
          onChange={(event) => setArgs(event.target.value)}
          error={'error' in args ? args.error : null}
          hint="They stay in the image's record: not for secrets"
        />
      </details>
    </>
  )
  const complete = (dockerfile.trim() !== '' || files.length > 0) && contextError(files) === null
  return { complete: complete && 'pairs' in args, build, fields }
}
