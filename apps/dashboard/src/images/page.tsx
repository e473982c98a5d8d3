import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import type { Image, ImageSource } from 'spawnpoint'
import { PushDialog } from '../archive/push-dialog.tsx'
import { useClient } from '../client.tsx'
import { counted, formatBytes, shortId } from '../format.ts'
import { queries } from '../queries.ts'
import { Chips, Empty, Labels, None } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { ageColumn, menuColumn } from '../ui/columns.tsx'
import type { Column } from '../ui/data-table.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { ListPage } from '../ui/list-page.tsx'
import { StateBadge } from '../ui/state-badge.tsx'
import { BuildDialog } from './build-dialog.tsx'
import { LogDialog } from './log-dialog.tsx'
import { Progress } from './progress.tsx'
import { PullDialog } from './pull-dialog.tsx'

type Asking = { for: 'pull' | 'build' } | { for: 'log' | 'push' | 'cancel' | 'delete'; image: Image }

export function ImagesPage() {
  const client = useClient()
  const query = useQuery(queries.images(client))
  const [asking, setAsking] = useState<Asking | null>(null)
  const columns = useMemo(() => columnsFor(setAsking), [])
  const close = () => setAsking(null)
  return (
    <ListPage
      title="Images"
      actions={
        <>
          <Button needs="write" onClick={() => setAsking({ for: 'build' })}>
            Build
          </Button>
          <Button look="primary" needs="write" onClick={() => setAsking({ for: 'pull' })}>
            Pull
          </Button>
        </>
      }
      query={query}
      columns={columns}
      rowId={({ id }) => id}
      find={({ id, name, tags, state }) => [id, name, state, ...tags]}
      empty={
        <Empty
          title="No image yet"
          text="Sandboxes are made from images. Pull one from a registry, or build one by commands or of a Dockerfile."
        />
      }
    >
      {asking?.for === 'pull' && <PullDialog onClose={close} />}
      {asking?.for === 'build' && <BuildDialog onClose={close} />}
      {asking?.for === 'log' && <LogDialog image={asking.image} onClose={close} />}
      {asking?.for === 'push' && (
        <PushDialog
          title={`Push ${asking.image.name}`}
          text="Where any container engine finds it."
          push={(request, options) => client.images.push(asking.image.id, request, options)}
          onClose={close}
        />
      )}
      {asking?.for === 'cancel' && (
        <FormDialog
          title={`Cancel the build of ${asking.image.name}?`}
          text="Steps that it has done need not be done again by the next one."
          submit="Cancel the build"
          danger
          onSubmit={() => client.images.cancel(asking.image.id)}
          onClose={close}
        />
      )}
      {asking?.for === 'delete' && (
        <FormDialog
          title={`Delete ${asking.image.name}?`}
          text="Sandboxes, snapshots and images made from it live on."
          submit="Delete"
          danger
          onSubmit={() => client.images.delete(asking.image.id)}
          onClose={close}
        />
      )}
    </ListPage>
  )
}

function columnsFor(ask: (asking: Asking) => void): Column<Image>[] {
  return [
    {
      id: 'name',
      header: 'Name',
      sort: ({ name }) => name,
      cell: ({ id, name, tags, labels }) => (
        <>
          <span className="name">{name}</span>
          <div className="sub">{shortId(id)}</div>
          <Chips texts={tags} />
          <Labels labels={labels} />
        </>
      ),
    },
    { id: 'source', header: 'From', cell: ({ source }) => <span className="sub wraps">{sourceText(source)}</span> },
    {
      id: 'state',
      header: 'Status',
      sort: ({ state }) => state,
      cell: (image) => (
        <>
          <StateBadge state={image.state} />
          {image.state === 'building' && <Progress imageId={image.id} />}
          {image.failure !== null && <div className="sub wraps">{image.failure}</div>}
        </>
      ),
    },
    {
      id: 'size',
      header: 'Size',
      align: 'number',
      sort: ({ sizeBytes }) => sizeBytes,
      cell: ({ sizeBytes, state }) => (state === 'ready' ? formatBytes(sizeBytes) : <None />),
    },
    ageColumn('Created', ({ createdAt }) => createdAt),
    menuColumn(
      (image) => image.name,
      (image) => [
        { label: 'Log', onSelect: () => ask({ for: 'log', image }) },
        ...(image.state === 'ready'
          ? [{ label: 'Push', needs: 'write' as const, onSelect: () => ask({ for: 'push', image }) }]
          : []),
        image.state === 'building'
          ? { label: 'Cancel', needs: 'write', danger: true, onSelect: () => ask({ for: 'cancel', image }) }
          : { label: 'Delete', needs: 'write', danger: true, onSelect: () => ask({ for: 'delete', image }) },
      ],
    ),
  ]
}

function sourceText(source: ImageSource): string {
  switch (source.type) {
    case 'oci':
      return source.reference
    case 'debian':
      return `Debian ${source.suite}, ${counted(source.packages.length, 'package', 'packages')}`
    case 'tar':
      return source.path
    case 'layers':
      return counted(source.layers.length, 'uploaded layer', 'uploaded layers')
    case 'recipe':
      return `${source.from} and ${counted(source.steps.length, 'step', 'steps')}`
    case 'dockerfile':
      return source.path ?? 'a Dockerfile'
  }
}
