import { spawn } from 'node:child_process'

const TIMEOUT_MS = 120_000

/** Runs a command to its end at the least cost; rejects with what it said unless it exits with 0. */
export function command(
  program: string,
  args: readonly string[],
  options: { stdio?: readonly [number, number, number]; input?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const said: Buffer[] = []
    const stdio = options.stdio ? [...options.stdio] : ['pipe' as const, 'pipe' as const, 'pipe' as const]
    const child = spawn(program, args, { stdio, timeout: TIMEOUT_MS, killSignal: 'SIGKILL' })
    child.stdout?.on('data', (chunk: Buffer) => said.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => said.push(chunk))
    child.stdin?.on('error', () => {}) // a program that does not read its input is judged by its exit code
    child.stdin?.end(options.input ?? '')
    child.once('error', reject)
    child.once(options.stdio ? 'exit' : 'close', (code, signal) => {
      const text = Buffer.concat(said).toString()
      if (code === 0) resolve(text)
      else reject(new Error(`${program} ${args.join(' ')}: ${signal ?? code}: ${text.trim()}`))
    })
  })
}
