import type { ProcessExit } from '@spawnpoint/core'
import type { RecordedChunk, Recorder } from './recorder.ts'

/** Runs the command by bash where there is one, else by the shell that is there. */
const BY_SHELL = 'if [ -x /bin/bash ]; then exec /bin/bash -c "$1"; fi; exec /bin/sh -c "$1"'

export function shellArgs(command: string): string[] {
  return ['/bin/sh', '-c', BY_SHELL, 'sh', command]
}

/** For a terminal: the same of command and arguments, which the shell ignores and a reader finds again. */
export function shellTerminalArgs(command: string, args: readonly string[]): string[] {
  return [...shellArgs([command, ...args].join(' ')), command, ...args]
}

/** What the client asked to run, from what was run. */
function commandOf(args: readonly string[]): string {
  return args[2] === BY_SHELL ? (args[4] ?? '') : args.join(' ')
}

function terminalCommandOf(args: readonly string[]): { command: string; args: readonly string[] } {
  const [command = '', ...rest] = args[2] === BY_SHELL ? args.slice(5) : args
  return { command, args: rest }
}

/** This protocol's fields of processes are in snake case, and only these; what is not known yet is left out. */
export function processJson(recorder: Recorder) {
  const { info } = recorder
  return {
    id: info.id,
    status: statusOf(recorder),
    command: commandOf(info.args),
    args: [],
    cwd: info.cwd,
    pid: info.pid,
    exit_code: recorder.exit?.code ?? null,
    started_at: info.startedAt.getTime(),
    completed_at: recorder.exit?.at.getTime(),
  }
}

export function resultJson(recorder: Recorder) {
  const { id, status, exit_code, started_at, completed_at } = processJson(recorder)
  return {
    id,
    status,
    exit_code,
    stdout: recorder.result('stdout'),
    stderr: recorder.result('stderr'),
    output_truncated: recorder.isCut,
    last_seq: recorder.lastSeq,
    started_at,
    completed_at,
    ...(recorder.lost ? { error: 'The sandbox ended before the process did' } : {}),
  }
}

export function ptyJson(recorder: Recorder, size: { rows: number; cols: number } | null, includeOutput: boolean) {
  const { info, exit } = recorder
  return {
    id: info.id,
    ...terminalCommandOf(info.args),
    cwd: info.cwd,
    pid: info.pid,
    running: !recorder.over,
    exitCode: exit?.code ?? null,
    error: recorder.lost ? 'The sandbox ended' : undefined,
    timedOut: exit?.timedOut ?? false,
    rows: size?.rows ?? 0,
    cols: size?.cols ?? 0,
    startedAt: info.startedAt.getTime(),
    finishedAt: exit?.at.getTime(),
    ...(includeOutput ? { output: recorder.recent().map(chunkJson) } : {}),
  }
}

export function chunkJson({ seq, data, at }: RecordedChunk) {
  return { seq, data: data.toString('base64'), timestamp: at }
}

function statusOf({ exit, lost }: Recorder): string {
  if (exit === null) return lost ? 'failed' : 'running'
  return exitStatus(exit)
}

function exitStatus({ timedOut, signal }: ProcessExit): string {
  if (timedOut) return 'timed_out'
  return signal === null ? 'exited' : 'killed'
}

/** JSON in ASCII: clients decode each piece that arrives by itself, and it may end within a character. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
