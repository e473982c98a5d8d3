import { resolvePath } from './file-view.ts'
import type { ProgramIo } from './programs.ts'

/**
 * Runs the commands that tests of the doors need, one after the other: echo, printf, cat, pwd, whoami, hostname, env,
 * export, mkdir, rm, touch, sleep, true, false, exit; joined by `;`, `&&`, `||` or newlines, with `$NAME`, quotes, and
 * `>`, `>>`, `>&2`. Anything else is "command not found", exit code 127. It is no shell; it is enough to tell that a door
 * passed the script, the environment and the directory on.
 */
export function runShell(io: ProgramIo, script: string, interactive = false): void {
  const commands = split(script)
  let status = 0
  for (const [index, command] of commands.entries()) {
    if (command.join === '&&' && status !== 0) continue
    if (command.join === '||' && status === 0) continue
    const [name = '', ...args] = words(io, command.text)
    if (name === '') continue
    if (name === 'exit') {
      io.exit(Number(args[0] ?? status))
      return
    }
    if (name === 'sleep') {
      // What is left of the script is the process's state, so that a capture in mid-sleep goes on in the clone.
      const rest = commands.slice(index + 1).map((next) => `${next.join === ';' ? '' : next.join} ${next.text}`)
      io.state.rest = rest.length > 0 ? `true ; ${rest.join(' ; ').replaceAll('; &&', '&&')}` : 'exit 0'
      io.after(Number(args[0]) * 1000)
      return
    }
    status = runCommand(io, name, args)
  }
  if (!interactive) io.exit(status)
}

function runCommand(io: ProgramIo, name: string, words: string[]): number {
  const { args, target, append } = redirection(words)
  let failure: string | null = null
  const print = (text: string) => {
    if (target === '&2') io.write('stderr', text)
    else if (target === null) io.write('stdout', text)
    else {
      const path = resolvePath(target, io.cwd)
      const before = append && io.files.exists(path) ? io.files.read(path) : Buffer.alloc(0)
      io.files.write(path, Buffer.concat([before, Buffer.from(text)]), { user: io.user })
    }
  }
  try {
    switch (name) {
      case 'echo':
        print(args[0] === '-n' ? args.slice(1).join(' ') : `${args.join(' ')}\n`)
        break
      case 'printf':
        print((args[0] ?? '').replaceAll('\\n', '\n'))
        break
      case 'cat':
        for (const path of args) print(io.files.read(resolvePath(path, io.cwd)).toString('utf8'))
        break
      case 'pwd':
        print(`${io.cwd}\n`)
        break
      case 'whoami':
        print(`${io.user}\n`)
        break
      case 'hostname':
        print(`${io.hostname}\n`)
        break
      case 'env':
        for (const [key, value] of Object.entries(io.env)) print(`${key}=${value}\n`)
        break
      case 'export':
        io.state.exported = { ...exported(io), ...Object.fromEntries(args.map((arg) => arg.split('=', 2))) }
        break
      case 'mkdir':
        for (const path of args.filter((arg) => arg !== '-p')) {
          io.files.mkdir(resolvePath(path, io.cwd), { parents: args.includes('-p'), user: io.user })
        }
        break
      case 'touch':
        for (const path of args) io.files.write(resolvePath(path, io.cwd), Buffer.alloc(0), { user: io.user })
        break
      case 'rm':
        for (const path of args.filter((arg) => !arg.startsWith('-'))) {
          io.files.remove(resolvePath(path, io.cwd), { recursive: args.some((arg) => /^-[a-z]*r/.test(arg)) })
        }
        break
      case 'true':
      case ':':
        break
      case 'false':
        return 1
      default:
        failure = `sh: ${name}: not found`
    }
  } catch (error) {
    // A failed command is the script's business, as in a shell: message on stderr, status 1.
    io.write('stderr', `${name}: ${error instanceof Error ? error.message : String(error)}\n`)
    return 1
  }
  if (failure === null) return 0
  io.write('stderr', `${failure}\n`)
  return 127
}

function redirection(words: string[]): { args: string[]; target: string | null; append: boolean } {
  const at = words.findIndex((word) => /^1?>>?/.test(word))
  const word = words[at]
  if (word === undefined) return { args: words, target: null, append: false }
  const joined = word.replace(/^1?>>?/, '')
  const args = [...words.slice(0, at), ...words.slice(joined === '' ? at + 2 : at + 1)]
  return { args, target: joined === '' ? (words[at + 1] ?? '') : joined, append: word.includes('>>') }
}

function split(script: string): { join: string; text: string }[] {
  const commands: { join: string; text: string }[] = []
  let join = ';'
  let text = ''
  for (const [, quoted, operator, other] of script.matchAll(/('[^']*'|"[^"]*")|(&&|\|\||;|\n)|([\s\S])/g)) {
    if (operator === undefined) {
      text += quoted ?? other
      continue
    }
    commands.push({ join, text })
    join = operator === '\n' ? ';' : operator
    text = ''
  }
  commands.push({ join, text })
  return commands.filter((command) => command.text.trim() !== '')
}

function words(io: ProgramIo, text: string): string[] {
  const env: Record<string, string> = { ...io.env, ...exported(io) }
  const expand = (part: string) =>
    part.replace(/\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?/g, (_, name: string) => env[name] ?? '')
  const pieces = text.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? []
  return pieces.map((piece) =>
    piece.replace(/'([^']*)'|"([^"]*)"|([^'"]+)/g, (_, single?: string, double?: string, bare?: string) =>
      single !== undefined ? single : expand(double ?? bare ?? ''),
    ),
  )
}

function exported(io: ProgramIo): Record<string, string> {
  return (io.state.exported ?? {}) as Record<string, string>
}
