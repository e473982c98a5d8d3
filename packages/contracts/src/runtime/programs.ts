/** Command lines of the programs that the suite runs inside: real ones below, built-in ones of a fake. */
export interface Programs {
  /**
   * Keeps a number in memory, first 0; every 50 ms or so makes it one larger and prints it as a line; answers each line
   * on stdin with `value N`.
   */
  counter(): string[]
  /** Keeps `text` in memory; a line on stdin replaces it, but `? TOKEN` prints `TOKEN: text`. Prints `ready` first. */
  holder(text: string): string[]
  /** Copies stdin, or a file, to stdout. */
  cat(path?: string): string[]
  /** Makes a symlink at `path`. */
  link(target: string, path: string): string[]
  echo(text: string): string[]
  exit(code: number, stdout?: string, stderr?: string): string[]
  /** Prints `first` and exits; a child that it leaves keeps its output open, and prints `last` after `ms` milliseconds. */
  leaver(first: string, last: string, ms: number): string[]
  sleep(seconds: number): string[]
  /** Prints `ready`, then `got NAME` for each signal of that name, and stays. */
  trap(signal: string): string[]
  /** Prints `ready` once it listens on the loopback address; sends back what each connection sends; ends it when it ends. */
  tcpEcho(port: number): string[]
  /** Prints so many bytes, byte number i being i modulo 251, at most 64 KiB at a time with a wait in between. */
  spam(bytes: number, waitMs?: number): string[]
  /** Appends a byte to a file every 20 ms or so; prints `ready` after the first. */
  writer(path: string): string[]
  /** Prints `COLSxROWS` of its terminal, and again after each change. */
  terminalSize(): string[]
  /** Prints directory, user, host name and then each `NAME=value` of its environment, a NUL after each. */
  context(): string[]
}

export function spamByte(index: number): number {
  return index % 251
}

const python = (source: string, ...args: (string | number)[]) => ['/usr/bin/python3', '-c', source, ...args.map(String)]

const COUNTER = `
import os, sys, threading, time
n = 0
def answer():
    for line in sys.stdin:
        os.write(1, b"value %d\\n" % n)
threading.Thread(target=answer, daemon=True).start()
while True:
    time.sleep(0.05)
    n += 1
    os.write(1, b"%d\\n" % n)
`

const HOLDER = `
import os, sys
text = sys.argv[1]
os.write(1, b"ready\\n")
for line in sys.stdin:
    line = line.rstrip("\\n")
    if line.startswith("? "):
        os.write(1, (line[2:] + ": " + text + "\\n").encode())
    else:
        text = line
`

const TRAP = `
import os, signal, sys, time
name = sys.argv[1]
signal.signal(getattr(signal, name), lambda *_: os.write(1, b"got " + name.encode() + b"\\n"))
os.write(1, b"ready\\n")
while True:
    time.sleep(0.1)
`

const TCP_ECHO = `
import os, socket, sys, threading
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(16)
os.write(1, b"ready\\n")
def serve(connection):
    try:
        while True:
            data = connection.recv(65536)
            if not data:
                break
            connection.sendall(data)
    except OSError:
        pass
    connection.close()
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
`

const SPAM = `
import os, sys, time
total, wait, sent = int(sys.argv[1]), int(sys.argv[2]) / 1000, 0
pattern = bytes(range(251)) * 263
while sent < total:
    size = min(65536, total - sent)
    data = pattern[sent % 251:sent % 251 + size]
    sent += size
    while data:
        data = data[os.write(1, data):]
    if wait:
        time.sleep(wait)
`

const WRITER = `
import os, sys, time
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(file, b".")
os.write(1, b"ready\\n")
while True:
    time.sleep(0.02)
    os.write(file, b".")
`

const TERMINAL_SIZE = `
import os, signal, time
def show(*_):
    size = os.get_terminal_size(0)
    os.write(1, b"%dx%d\\n" % (size.columns, size.lines))
signal.signal(signal.SIGWINCH, show)
show()
while True:
    time.sleep(0.1)
`

const CONTEXT = `
import os, pwd
parts = [os.getcwd(), pwd.getpwuid(os.getuid()).pw_name, os.uname().nodename]
parts += [name + "=" + value for name, value in os.environ.items()]
os.write(1, "".join(part + "\\0" for part in parts).encode())
`

/** For an image with a POSIX shell, coreutils and Python 3, the minimal one included. */
export const realPrograms: Programs = {
  counter: () => python(COUNTER),
  holder: (text) => python(HOLDER, text),
  cat: (path) => (path === undefined ? ['/bin/cat'] : ['/bin/cat', path]),
  link: (target, path) => ['/bin/ln', '-s', target, path],
  echo: (text) => ['/bin/echo', text],
  exit: (code, stdout = '', stderr = '') => [
    '/bin/sh',
    '-c',
    'printf %s "$1"; printf %s "$2" >&2; exit "$0"',
    String(code),
    stdout,
    stderr,
  ],
  leaver: (first, last, ms) => [
    '/bin/sh',
    '-c',
    'printf %s "$0"; { sleep "$2"; printf %s "$1"; } &',
    first,
    last,
    String(ms / 1000),
  ],
  sleep: (seconds) => ['/bin/sleep', String(seconds)],
  trap: (signal) => python(TRAP, signal),
  tcpEcho: (port) => python(TCP_ECHO, port),
  spam: (bytes, waitMs = 0) => python(SPAM, bytes, waitMs),
  writer: (path) => python(WRITER, path),
  terminalSize: () => python(TERMINAL_SIZE),
  context: () => python(CONTEXT),
}
