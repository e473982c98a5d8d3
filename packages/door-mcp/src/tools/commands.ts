import type { ProcessExit, ProcessOutput } from '@spawnpoint/core'
import { holdActive } from '@spawnpoint/gateway'
import { z } from 'zod'
import { OutputWindow } from '../output-window.ts'
import { READS, RUNS, type Tool, tool } from '../tool.ts'
import { path, sandboxRef } from './fields.ts'

/** Bytes of stdout, and again of stderr, in an answer. */
const OUTPUT_BYTES = 24_000
const DEFAULT_TIMEOUT_S = 120
const MAX_TIMEOUT_S = 3600
/** What a process has written so far has been read when nothing more comes for `quietMs`, or after `wholeMs` of one that never rests. */
const SO_FAR = { quietMs: 250, wholeMs: 1_500 }

const process = z.string().min(1).max(128).describe('`process` of run_command')

export function commandTools(): Tool[] {
  return [
    tool({
      name: 'run_command',
      description:
        'Runs a shell command in a running sandbox and answers its exit code and output; of long output the beginning and the end. For a server or another program that goes on, set `background` and look with read_output.',
      input: z.object({
        sandbox: sandboxRef,
        command: z.string().min(1).max(200_000).describe('For sh -c'),
        cwd: path.optional().describe("Absolute; default the image's"),
        user: z.string().min(1).max(64).optional().describe("Default the image's"),
        env: z.record(z.string(), z.string()).optional(),
        stdin: z.string().max(1_000_000).optional(),
        timeout_seconds: z
          .number()
          .int()
          .min(1)
          .max(MAX_TIMEOUT_S)
          .optional()
          .describe(`Default ${DEFAULT_TIMEOUT_S}, in the background none`),
        background: z.boolean().default(false),
      }),
      annotations: RUNS,
      async run({ sandbox, command, cwd, user, env, stdin, timeout_seconds, background }, { api, by, signal }) {
        const { guest } = await api.sandboxes.guest(by, sandbox)
        const seconds = timeout_seconds ?? (background ? undefined : DEFAULT_TIMEOUT_S)
        const spec = {
          args: ['/bin/sh', '-c', command],
          env: env ?? {},
          stdin: stdin !== undefined,
          ...(cwd === undefined ? {} : { cwd }),
          ...(user === undefined ? {} : { user }),
          ...(seconds === undefined ? {} : { timeoutMs: seconds * 1000 }),
        }
        if (background) {
          const { id, pid } = await guest.processes.start(spec)
          if (stdin !== undefined) await given(guest.processes, id, stdin)
          return { process: id, pid }
        }
        using _ = holdActive(api, by, sandbox)
        const { info, output } = await guest.processes.startAndFollow(spec, signal)
        // At the same time: a program that fills its output before it reads waits for us to read.
        const [read] = await Promise.all([
          followed(output),
          stdin === undefined ? null : given(guest.processes, info.id, stdin),
        ])
        return read
      },
    }),
    tool({
      name: 'read_output',
      description: 'What a background process has written so far, the beginning and the end, and whether it has ended.',
      input: z.object({ sandbox: sandboxRef, process }),
      annotations: READS,
      async run({ sandbox, process }, { api, by, signal }) {
        const { guest } = await api.sandboxes.guest(by, sandbox)
        const { output } = await guest.processes.follow(process, { signal })
        return followed(output, SO_FAR)
      },
    }),
    tool({
      name: 'stop_process',
      description: 'Ends a background process and its children.',
      input: z.object({
        sandbox: sandboxRef,
        process,
        signal: z.enum(['SIGTERM', 'SIGKILL', 'SIGINT']).default('SIGTERM'),
      }),
      annotations: RUNS,
      async run({ sandbox, process, signal }, { api, by }) {
        const { guest } = await api.sandboxes.guest(by, sandbox)
        await guest.processes.signal(process, signal, true)
        return { sent: signal }
      },
    }),
  ]
}

async function given(
  processes: { writeStdin(ref: string, data: Buffer): Promise<void>; closeStdin(ref: string): Promise<void> },
  id: string,
  text: string,
): Promise<void> {
  try {
    await processes.writeStdin(id, Buffer.from(text))
    await processes.closeStdin(id)
  } catch {
    // A program need not read its input: if it ended meanwhile, its exit code says how it went.
  }
}

/** Reads to the exit, or as far as `soFar` says. */
async function followed(output: AsyncIterable<ProcessOutput>, soFar?: typeof SO_FAR) {
  const end = performance.now() + (soFar?.wholeMs ?? 0)
  const stdout = new OutputWindow(OUTPUT_BYTES)
  const stderr = new OutputWindow(OUTPUT_BYTES)
  let exit: ProcessExit | null = null
  const items = output[Symbol.asyncIterator]()
  try {
    for (;;) {
      const left = soFar === undefined ? undefined : Math.min(soFar.quietMs, end - performance.now())
      const next = await within(items.next(), left)
      if (next === null || next.done) break
      const item = next.value
      if (item.type === 'exit') {
        exit = item.exit
        break
      }
      const window = item.stream === 'stderr' ? stderr : stdout
      if (item.type === 'gap') window.skip(item.resumeAt - item.offset)
      else window.add(item.data)
    }
  } finally {
    // Lets go of the stream; a generator that waits for more ends with its connection.
    void items.return?.()
  }
  if (exit === null && soFar === undefined)
    return { exit_code: null, error: 'The sandbox ended before the command did' }
  return {
    exit_code: exit?.code ?? null,
    running: exit === null,
    ...(exit?.timedOut ? { timed_out: true } : {}),
    stdout: stdout.text,
    stderr: stderr.text,
  }
}

async function within<T>(promise: Promise<T>, ms: number | undefined): Promise<T | null> {
  if (ms === undefined) return promise
  const { promise: over, resolve } = Promise.withResolvers<null>()
  const timer = setTimeout(() => resolve(null), Math.max(0, ms))
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}
