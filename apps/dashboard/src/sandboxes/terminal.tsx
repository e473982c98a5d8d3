import { FitAddon } from '@xterm/addon-fit'
import { Terminal } from '@xterm/xterm'
import { useEffect, useRef, useState } from 'react'
import type { Process, Sandbox } from 'spawnpoint'
import '@xterm/xterm/css/xterm.css'
import { messageOf } from '../client.tsx'
import { useLack } from '../key.tsx'
import { givingNonce } from '../nonce.ts'
import { Empty } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { MustRun } from './must-run.tsx'
import './terminal.css'

/** The best shell there is, as a login shell, so that it reads its profile. */
const LOGIN_SHELL = 'if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi'
/** Shells of this page: who comes back, or opens what a snapshot of the sandbox was restored to, finds the same one. */
const TAG = 'dashboard-terminal'

/** What a phone's keyboard lacks. */
const KEYS: [name: string, label: string, sends: string][] = [
  ['Esc', 'Escape', '\x1b'],
  ['Tab', 'Tab', '\t'],
  ['^C', 'Control C', '\x03'],
  ['^D', 'Control D', '\x04'],
  ['↑', 'Up', '\x1b[A'],
  ['↓', 'Down', '\x1b[B'],
  ['←', 'Left', '\x1b[D'],
  ['→', 'Right', '\x1b[C'],
]

type Status = { at: 'connecting' | 'open' | 'ended' } | { at: 'failed'; error: string }

export function TerminalTab() {
  const lack = useLack()('write')
  if (lack !== null)
    return (
      <div className="panel empty">
        <Empty title="No terminal with this key" text={lack} />
      </div>
    )
  return <MustRun>{(sandbox) => <LiveTerminal sandbox={sandbox} />}</MustRun>
}

function LiveTerminal({ sandbox }: { sandbox: Sandbox }) {
  const place = useRef<HTMLDivElement>(null)
  const shown = useRef<Terminal | null>(null)
  const [attempt, setAttempt] = useState(0)
  const [status, setStatus] = useState<Status>({ at: 'connecting' })
  // The handle is another one after every event; what it is a handle of stays.
  const handle = useRef(sandbox)
  handle.current = sandbox

  // biome-ignore lint/correctness/useExhaustiveDependencies: `attempt` is what asks for another shell
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const stop = new AbortController()
    const terminal = new Terminal({
      fontFamily: 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace',
      fontSize: 13,
      cursorBlink: true,
      scrollback: 5_000,
      screenReaderMode: true,
      theme: { background: '#10131a', foreground: '#e6e9f0', cursor: '#b9b4ff' },
    })
    shown.current = terminal
    const fit = new FitAddon()
    terminal.loadAddon(fit)
    givingNonce(() => terminal.open(element))
    fit.fit()
    setStatus({ at: 'connecting' })
    converse(handle.current, terminal, () => setStatus({ at: 'open' }), stop.signal).then(
      () => setStatus({ at: 'ended' }),
      (error) => {
        if (!stop.signal.aborted) setStatus({ at: 'failed', error: messageOf(error) })
      },
    )
    const observer = new ResizeObserver(() => fit.fit())
    observer.observe(element)
    return () => {
      stop.abort()
      observer.disconnect()
      terminal.dispose()
      shown.current = null
    }
  }, [attempt])

  const press = (keys: string) => {
    shown.current?.input(keys)
    shown.current?.focus()
  }

  const again = (label: string) => (
    <Button look="small" onClick={() => setAttempt((count) => count + 1)}>
      {label}
    </Button>
  )
  return (
    <section aria-label="Terminal">
      <div className="terminal-bar">
        <span className="sub" role="status" data-terminal={status.at}>
          {status.at === 'failed' ? `Not connected: ${status.error}` : TEXTS[status.at]}
        </span>
        {status.at === 'ended' && again('New shell')}
        {status.at === 'failed' && again('Try again')}
      </div>
      <div className="terminal-place" ref={place} />
      <div className="terminal-keys" role="toolbar" aria-label="Keys">
        {KEYS.map(([name, label, sends]) => (
          <Button key={name} look="small" aria-label={label} onClick={() => press(sends)}>
            {name}
          </Button>
        ))}
      </div>
    </section>
  )
}

const TEXTS = {
  connecting: 'Connecting…',
  open: 'Connected. The shell runs on when you leave this page.',
  ended: 'The shell has ended.',
}

/** Passes keys and output on until the shell ends. */
async function converse(sandbox: Sandbox, terminal: Terminal, onOpen: () => void, signal: AbortSignal): Promise<void> {
  const size = () => ({ cols: terminal.cols, rows: terminal.rows })
  const shell = await shellOf(sandbox, size(), signal)
  signal.throwIfAborted()
  // Harmless where these fail: the shell has ended, or its output tells that the connection has.
  const keys = terminal.onData((text) => void shell.write(text).catch(() => undefined))
  const sizes = terminal.onResize((now) => void shell.resize(now).catch(() => undefined))
  try {
    onOpen()
    shell.resize(size()).catch(() => undefined) // As above.
    terminal.focus()
    for await (const piece of shell.follow({ signal })) {
      // Waits until it is drawn, so that a flood of output fills no memory here.
      if (piece.type === 'data') await new Promise<void>((drawn) => terminal.write(piece.data, drawn))
    }
  } finally {
    keys.dispose()
    sizes.dispose()
  }
}

async function shellOf(sandbox: Sandbox, pty: { cols: number; rows: number }, signal: AbortSignal): Promise<Process> {
  const processes = await sandbox.processes.list({ signal })
  const old = processes.findLast((one) => one.tag === TAG && one.pty && one.exit === null)
  if (old !== undefined) return sandbox.processes.get(old.id, { signal })
  return sandbox.processes.start(LOGIN_SHELL, { pty, tag: TAG, env: { TERM: 'xterm-256color' }, signal })
}
