import { useQuery } from '@tanstack/react-query'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import type { Sandbox, SandboxState, Snapshot } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { formatBytes, formatDuration, nameOf, shortId } from '../format.ts'
import { queries } from '../queries.ts'
import { Answer } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { edge, type Layout, layoutOf, NODE, type Placed } from './layout.ts'
import './lineage.css'
import { Selected } from './selected.tsx'
import { type LineageNode, lineageOf } from './tree.ts'
import { fitting, nextZoom } from './zoom.ts'

export function LineagePage() {
  const client = useClient()
  const server = useQuery(queries.server(client))
  // Killed ones too: what came from them is still there.
  const states = server.data === undefined ? undefined : (Object.keys(server.data.lifecycle) as SandboxState[])
  const sandboxes = useQuery({ ...queries.sandboxes(client, states), enabled: states !== undefined })
  const snapshots = useQuery(queries.snapshots(client))
  return (
    <>
      <title>Lineage · Spawnpoint</title>
      <Answer query={sandboxes}>
        {(boxes) => <Answer query={snapshots}>{(shots) => <Lineage sandboxes={boxes} snapshots={shots} />}</Answer>}
      </Answer>
    </>
  )
}

function Lineage({ sandboxes, snapshots }: { sandboxes: Sandbox[]; snapshots: Snapshot[] }) {
  // `null`: as large as it can be and still be seen as a whole.
  const [chosen, setZoom] = useState<number | null>(null)
  const [room, setRoom] = useState<number | null>(null)
  const [selected, setSelected] = useState<string | null>(null)
  const layout = useMemo(
    () =>
      layoutOf(
        lineageOf(
          sandboxes.map(({ info }) => info),
          snapshots.map(({ info }) => info),
        ),
      ),
    [sandboxes, snapshots],
  )
  const zoom = chosen ?? fitting(layout.width, room ?? layout.width)
  const [smaller, larger] = [nextZoom(zoom, 'smaller'), nextZoom(zoom, 'larger')]
  return (
    <>
      <div className="page-head">
        <h1>Lineage</h1>
        <div className="actions">
          <Button look="small" disabled={chosen === null} onClick={() => setZoom(null)}>
            Fit
          </Button>
          <Button look="small" aria-label="Smaller" disabled={smaller === null} onClick={() => setZoom(smaller)}>
            −
          </Button>
          <Button look="small" aria-label="Larger" disabled={larger === null} onClick={() => setZoom(larger)}>
            +
          </Button>
        </div>
      </div>
      {layout.placed.length === 0 ? (
        <div className="panel empty">Sandboxes and snapshots appear here, with what came from what.</div>
      ) : (
        <div className="lineage">
          <Forest layout={layout} zoom={zoom} selected={selected} onSelect={setSelected} onRoom={setRoom} />
          <Selected
            sandbox={sandboxes.find(({ id }) => id === selected) ?? null}
            snapshot={snapshots.find(({ id }) => id === selected) ?? null}
            sandboxes={sandboxes}
          />
        </div>
      )}
    </>
  )
}

interface ForestProps {
  layout: Layout
  zoom: number
  selected: string | null
  onSelect: (id: string) => void
  /** How wide the picture can be without scrolling, in pixels */
  onRoom: (width: number) => void
}

function Forest({ layout: { placed, width, height }, zoom, selected, onSelect, onRoom }: ForestProps) {
  const { place, cut, look } = useCut(onRoom)
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is cut off changes with the size of what is shown
  useEffect(look, [look, width, height, zoom])
  return (
    <div className="forest-frame" data-cut={cut}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which the keyboard must be able to */}
      <section ref={place} onScroll={look} className="forest" aria-label="Tree of sandboxes and snapshots" tabIndex={0}>
        <div style={{ width: width * zoom, height: height * zoom }}>
          <div className="forest-scaled" style={{ width, height, scale: zoom }}>
            <svg width={width} height={height} aria-hidden="true">
              {placed.map((one) => one.parent !== null && <path key={one.node.id} d={edge(one.parent, one)} />)}
            </svg>
            {placed.map((one) => (
              <Edge key={one.node.id} to={one} />
            ))}
            <ul>
              {placed.map(({ node, x, y, depth }) => (
                <li key={node.id} style={{ left: x, top: y, width: NODE.width, height: NODE.height }}>
                  <NodeButton node={node} depth={depth} selected={selected === node.id} onSelect={onSelect} />
                </li>
              ))}
            </ul>
          </div>
        </div>
      </section>
    </div>
  )
}

/** On which sides more can be scrolled to; tells of the room there is whenever that has changed. */
function useCut(onRoom: (width: number) => void) {
  const place = useRef<HTMLElement>(null)
  const [cut, setCut] = useState('')
  const look = useCallback(() => {
    const element = place.current
    if (element === null) return
    const { scrollLeft, scrollWidth, clientWidth } = element
    // A pixel more or less is rounding.
    const sides = [scrollLeft > 1 && 'left', scrollLeft + clientWidth < scrollWidth - 1 && 'right']
    setCut(sides.filter((side) => side !== false).join(' '))
  }, [])
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const observer = new ResizeObserver(() => {
      const { paddingLeft, paddingRight } = getComputedStyle(element)
      onRoom(element.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight))
      look()
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [look, onRoom])
  return { place, cut, look }
}

/** What the snapshot cost, where the line to it ends. */
function Edge({ to }: { to: Placed }) {
  if (to.parent === null || to.node.kind !== 'snapshot') return null
  const { receipt, sizeBytes } = to.node.snapshot
  if (receipt === null) return null
  const left = to.parent.x + NODE.width
  return (
    <div className="edge" style={{ left, top: to.y + NODE.height / 2 - 17, width: to.x - left }}>
      <span title="How long the sandbox stood still">{formatDuration(receipt.standstillMs)}</span>
      <span title="Size">{formatBytes(sizeBytes)}</span>
    </div>
  )
}

interface NodeButtonProps {
  node: LineageNode
  depth: number
  selected: boolean
  onSelect: (id: string) => void
}

function NodeButton({ node, depth, selected, onSelect }: NodeButtonProps) {
  const { title, text, tone } = shown(node)
  return (
    <button
      type="button"
      className={`node ${node.kind}`}
      aria-pressed={selected}
      disabled={node.kind === 'image' || node.kind === 'gone'}
      onClick={() => onSelect(node.id)}
    >
      <span className="node-title">{title}</span>
      <span className="node-text" data-tone={tone}>
        {text}
      </span>
      <span className="visually-hidden">
        {node.kind}, level {depth + 1}
      </span>
    </button>
  )
}

function shown(node: LineageNode): { title: string; text: string; tone?: string } {
  switch (node.kind) {
    case 'sandbox': {
      const { state } = node.sandbox
      return { title: nameOf(node.sandbox), text: state.replaceAll('_', ' '), tone: state }
    }
    case 'snapshot':
      return {
        title: nameOf(node.snapshot),
        text: node.snapshot.state === 'ready' ? node.snapshot.kind : `${node.snapshot.kind}, ${node.snapshot.state}`,
      }
    case 'image':
      return { title: node.name, text: 'image' }
    case 'gone':
      return { title: shortId(node.id), text: `a ${node.what} that is gone` }
  }
}
