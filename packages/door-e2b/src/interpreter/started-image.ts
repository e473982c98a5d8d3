import { defaultSession } from './contexts.ts'
import { INTERPRETER_PORT } from './inside.ts'
import { JUPYTER_COMMAND, JUPYTER_ENV } from './jupyter/start.ts'

const WORKDIR = '/home/user'
const WORD = /^[\w./:=-]+$/

/**
 * Commands for the recipe of an image in whose sandboxes Jupyter already runs, with a Python kernel that waits for code as
 * the default context. Without them it starts on first use, which takes seconds.
 */
export const INTERPRETER_COMMANDS = {
  startCommand: `exec env ${[...Object.entries(JUPYTER_ENV).map((pair) => pair.join('=')), ...JUPYTER_COMMAND].map(quoted).join(' ')}`,
  // A kernel's connection is accepted when the kernel answers.
  readyCommand: `python3 -c ${quoted(
    `
import json, urllib.request, websocket
session = ${JSON.stringify(defaultSession('python', 'python3', WORKDIR))}
request = urllib.request.Request("http://127.0.0.1:${INTERPRETER_PORT}/api/sessions", json.dumps(session).encode())
kernel = json.load(urllib.request.urlopen(request))["kernel"]["id"]
websocket.create_connection(f"ws://127.0.0.1:${INTERPRETER_PORT}/api/kernels/{kernel}/channels").close()
`.trim(),
  )}`,
} as const

function quoted(word: string): string {
  return WORD.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
