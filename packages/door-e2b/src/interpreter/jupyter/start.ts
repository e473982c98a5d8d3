import { setTimeout as sleep } from 'node:timers/promises'
import { type Env, isCode, type ProcessInfo } from '@spawnpoint/core'
import { INTERPRETER_PORT, type Inside } from '../inside.ts'
import { broken, Refusal } from '../refusal.ts'
import { callJupyter, nothingListens } from './client.ts'

const LOOK_EVERY_MS = 50
const STARTS_WITHIN_MS = 60_000

const JUPYTER_PROGRAM = 'jupyter-server'

/** What it writes while it runs is in memory: it must not outlive it, and is nothing for a home directory. */
export const JUPYTER_ENV: Env = { JUPYTER_RUNTIME_DIR: '/tmp/.jupyter' }

/** All of Jupyter's configuration: nothing of ours lies in the image. */
export const JUPYTER_COMMAND = [
  JUPYTER_PROGRAM,
  '--ServerApp.ip=127.0.0.1',
  `--ServerApp.port=${INTERPRETER_PORT}`,
  '--ServerApp.port_retries=0',
  // Whoever is inside may do what the kernel may; from outside there is no way here but ours, see INTERPRETER_PORT.
  '--ServerApp.token=',
  '--ServerApp.password=',
  '--ServerApp.disable_check_xsrf=True',
  '--ServerApp.allow_root=True',
  '--ServerApp.open_browser=False',
  '--ServerApp.terminals_enabled=False',
  // Paths of sessions begin here, and give kernels their working directory.
  '--ServerApp.root_dir=/',
  // We read as fast as the client does; what is not read waits in the sandbox.
  '--ServerApp.iopub_msg_rate_limit=0',
  '--ServerApp.iopub_data_rate_limit=0',
  '--ServerApp.tornado_settings={"ws_ping_interval":0}',
  '--MappingKernelManager.buffer_offline_messages=False',
  // A young kernel that dies would be started again at other ports, where whoever connects meanwhile does not find it.
  '--KernelRestarter.random_ports_until_alive=False',
]

/**
 * Starts Jupyter, unless it is starting already, and resolves when it answers. Rejects a `Refusal` where there is none to
 * start.
 */
export async function startJupyter(inside: Inside, workdir: string, env: Env): Promise<void> {
  if (await answers(inside)) return
  // The start command of an image that boots just now.
  const present = (await inside.processes.list()).find(isJupyter)
  const { id } = present ?? (await start(inside, workdir, env))
  const settled = new AbortController()
  let ended = false
  inside.processes.wait(id, settled.signal).then(
    () => {
      ended = true
    },
    // Called off below; or the sandbox is gone, and then connecting says so.
    () => {},
  )
  try {
    for (let waited = 0; waited < STARTS_WITHIN_MS; waited += LOOK_EVERY_MS) {
      if (await answers(inside)) return
      if (ended) throw broken('it could not be started')
      await sleep(LOOK_EVERY_MS)
    }
    throw broken(`it did not start within ${STARTS_WITHIN_MS} ms`)
  } finally {
    settled.abort()
  }
}

function isJupyter({ exit, args }: ProcessInfo): boolean {
  return exit === null && args.some((arg) => arg.includes(JUPYTER_PROGRAM))
}

function start(inside: Inside, workdir: string, env: Env): Promise<ProcessInfo> {
  return inside.processes
    .start({
      args: JUPYTER_COMMAND,
      env: { ...env, ...JUPYTER_ENV },
      cwd: workdir,
      stdin: false,
      tag: 'code-interpreter',
      bufferBytes: 64 * 1024,
    })
    .catch((error: unknown) => {
      if (!isCode(error, 'guest_error') || error.context.path !== JUPYTER_PROGRAM) throw error
      throw new Refusal(501, 'This sandbox has no code interpreter; start one from the template code-interpreter-v1')
    })
}

async function answers(inside: Inside): Promise<boolean> {
  try {
    return (await callJupyter(inside, { method: 'GET', path: '/api' })).status === 200
  } catch (error) {
    if (nothingListens(error)) return false
    throw error
  }
}
