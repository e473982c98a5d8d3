import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until, VendorWorld } from '../vendor-world.ts'
import { SDKS } from './sdks.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.startWithDomain()
})
afterAll(() => vendor[Symbol.asyncDispose]())

const bytes = (length: number) => Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7) % 251))
const digest = (data: Uint8Array | string) => createHash('sha256').update(data).digest('hex')

/** Collects what a terminal shows. */
function screen() {
  const decoder = new TextDecoder()
  let text = ''
  return {
    onData: (data: Uint8Array) => {
      text += decoder.decode(data, { stream: true })
    },
    get text() {
      return text
    },
    shows: (what: string | RegExp) =>
      until(async () => (typeof what === 'string' ? text.includes(what) : what.test(text))),
  }
}

describe.each(SDKS)('%s', (_name, sdk, way) => {
  const { Sandbox, CommandExitError, TimeoutError, AuthenticationError, InvalidArgumentError, NotFoundError } = sdk
  const { GitUpstreamError, GitAuthError } = sdk
  let sandbox: InstanceType<typeof Sandbox>
  beforeAll(async () => {
    vendor.by(way)
    sandbox = await Sandbox.create({ timeoutMs: 900_000, envs: { OF_SANDBOX: 'yes', SHARED: 'sandbox' } })
  })
  afterAll(() => sandbox.kill())

  describe('commands', () => {
    it('run, with output on two streams and an exit code', async () => {
      const result = await sandbox.commands.run('echo out; echo err >&2')
      expect(result).toMatchObject({ exitCode: 0, stdout: 'out\n', stderr: 'err\n' })
      const failed = await sandbox.commands.run('echo said; exit 3').catch((error: unknown) => error)
      expect(failed).toBeInstanceOf(CommandExitError)
      expect(failed).toMatchObject({ exitCode: 3, stdout: 'said\n', stderr: '', message: 'exit status 3' })
      await expect(sandbox.commands.run('no-such-program')).rejects.toMatchObject({ exitCode: 127 })
    })

    it('run as the default user at home, in a login shell, unless told otherwise', async () => {
      const show = 'whoami; pwd; echo $HOME'
      expect((await sandbox.commands.run(show)).stdout).toBe('user\n/home/user\n/home/user\n')
      const root = await sandbox.commands.run(show, { user: 'root', cwd: '/var' })
      expect(root.stdout).toBe('root\n/var\n/root\n')
      expect((await sandbox.commands.run('pwd', { cwd: '~/' })).stdout).toBe('/home/user\n')
      const missing = sandbox.commands.run('true', { cwd: '/no/such/directory' })
      await expect(missing).rejects.toThrow(InvalidArgumentError)
      await expect(missing).rejects.toThrow("cwd '/no/such/directory' does not exist")
      await expect(sandbox.commands.run('true', { user: 'nobody-here' })).rejects.toThrow(AuthenticationError)
      expect((await sandbox.commands.run('sudo -n whoami')).stdout).toBe('root\n')
    })

    it('see the variables of the sandbox and their own', async () => {
      const show = 'echo $OF_SANDBOX $SHARED $MINE $E2B_SANDBOX $E2B_SANDBOX_ID $E2B_TEMPLATE_ID'
      const { stdout } = await sandbox.commands.run(show, { envs: { SHARED: 'call', MINE: 'ü x' } })
      const { templateId } = await sandbox.getInfo()
      expect(stdout).toBe(`yes call ü x true ${sandbox.sandboxId} ${templateId}\n`)
      const files = await sandbox.commands.run(
        'cd /run/e2b; tail -n +1 .E2B_SANDBOX .E2B_SANDBOX_ID .E2B_TEMPLATE_ID | paste -sd " "',
      )
      expect(files.stdout).toContain(sandbox.sandboxId)
      expect(files.stdout).toContain(templateId)
      expect((await sandbox.commands.run('echo $SHARED-$MINE')).stdout).toBe('sandbox-\n')
    })

    it('give their output as it comes', async () => {
      const seen: string[] = []
      // Each line comes only when what came before it was seen.
      const command = 'for n in 1 2 3; do echo out $n; echo err $n >&2; read go; done'
      const handle = await sandbox.commands.run(command, {
        background: true,
        stdin: true,
        onStdout: (text) => void seen.push(text),
        onStderr: (text) => void seen.push(text),
      })
      for (const n of [1, 2, 3]) {
        await until(async () => seen.includes(`out ${n}\n`) && seen.includes(`err ${n}\n`))
        await sandbox.commands.sendStdin(handle.pid, 'go\n')
      }
      const result = await handle.wait()
      expect(result.stdout).toBe('out 1\nout 2\nout 3\n')
      expect(result.stderr).toBe('err 1\nerr 2\nerr 3\n')
      expect(seen).toHaveLength(6)
    })

    it('give megabytes, and any bytes', async () => {
      const { stdout } = await sandbox.commands.run('seq 1000000')
      expect(digest(stdout)).toBe(digest(Array.from({ length: 1_000_000 }, (_, i) => `${i + 1}\n`).join('')))
      const letters = await sandbox.commands.run(`python3 -c 'import sys; sys.stdout.write("ä€😀" * 100000)'`)
      expect(letters.stdout).toBe('ä€😀'.repeat(100_000))
      expect((await sandbox.commands.run(`printf '\\xff\\xfe|'`)).stdout).toMatch(/\|$/)
    })

    it('wait for what they leave in the background, as long as that has the output', async () => {
      const { stdout } = await sandbox.commands.run('(sleep 1; echo late) & echo early')
      expect(stdout).toBe('early\nlate\n')
      // It would otherwise run into its time limit.
      await sandbox.commands.run('sleep 1000 >/dev/null 2>&1 &')
    })

    it('run in the background, are listed, and end when they are killed', async () => {
      const handle = await sandbox.commands.run('sleep 1000', { background: true, envs: { MARK: '1' }, cwd: '/tmp' })
      const listed = (await sandbox.commands.list()).find(({ pid }) => pid === handle.pid)
      expect(listed).toMatchObject({
        cmd: '/bin/bash',
        args: ['-l', '-c', 'sleep 1000'],
        envs: { MARK: '1' },
        cwd: '/tmp',
      })
      expect(await handle.kill()).toBe(true)
      const ended = await handle.wait().catch((error: unknown) => error)
      expect(ended).toBeInstanceOf(CommandExitError)
      expect(ended).toMatchObject({ exitCode: -1, message: 'signal: killed' })
      expect(await sandbox.commands.kill(handle.pid)).toBe(false)
      expect((await sandbox.commands.list()).some(({ pid }) => pid === handle.pid)).toBe(false)
    })

    it('take along what they have started when they are killed', async () => {
      const handle = await sandbox.commands.run('sleep 4321 & sleep 4321; echo', { background: true })
      const there = async () => (await sandbox.commands.run('pgrep -fc "^sleep 4321" || true')).stdout.trim()
      await until(async () => (await there()) === '2')
      await handle.kill()
      await until(async () => (await there()) === '0')
    })

    it('go on after a disconnect, and can be connected to again', async () => {
      const command = 'for n in $(seq 1000); do echo $n; sleep 0.1; done'
      const first: string[] = []
      const handle = await sandbox.commands.run(command, {
        background: true,
        onStdout: (text) => void first.push(text),
      })
      await until(async () => first.length > 2)
      await handle.disconnect()
      const before = Number(first.join('').trim().split('\n').at(-1))
      const later: string[] = []
      const again = await sandbox.commands.connect(handle.pid, { onStdout: (text) => void later.push(text) })
      await until(async () => later.length > 1)
      expect(Number(later.join('').trim().split('\n')[0])).toBeGreaterThan(before)
      expect(await again.kill()).toBe(true)
      await expect(again.wait()).rejects.toThrow(CommandExitError)
    })

    it('can be asked how they ended, a little later', async () => {
      const handle = await sandbox.commands.run('sleep 0.5; exit 4', { background: true })
      await handle.disconnect()
      await until(async () => !(await sandbox.commands.list()).some(({ pid }) => pid === handle.pid))
      const again = await sandbox.commands.connect(handle.pid)
      await expect(again.wait()).rejects.toMatchObject({ exitCode: 4 })
      await expect(sandbox.commands.connect(999_999)).rejects.toThrow(NotFoundError)
    })

    it('read what is sent to them', async () => {
      const handle = await sandbox.commands.run('cat', { background: true, stdin: true })
      await sandbox.commands.sendStdin(handle.pid, 'first ')
      await sandbox.commands.sendStdin(handle.pid, 'zwei ü')
      await sandbox.commands.closeStdin(handle.pid)
      expect((await handle.wait()).stdout).toBe('first zwei ü')

      const data = bytes(3_000_000)
      const sum = await sandbox.commands.run('sha256sum', { background: true, stdin: true })
      await sandbox.commands.sendStdin(sum.pid, data)
      await sandbox.commands.closeStdin(sum.pid)
      expect((await sum.wait()).stdout).toBe(`${digest(data)}  -\n`)

      const without = await sandbox.commands.run('sleep 1000', { background: true, stdin: false })
      await expect(sandbox.commands.sendStdin(without.pid, 'x')).rejects.toThrow('stdin not enabled or closed')
      await without.kill()
      expect((await sandbox.commands.run('cat')).stdout).toBe('')
      await expect(sandbox.commands.sendStdin(999_999, 'x')).rejects.toThrow(NotFoundError)
    })

    it('end at their time limit', async () => {
      await expect(sandbox.commands.run('sleep 7777', { timeoutMs: 700 })).rejects.toThrow(TimeoutError)
      await until(async () => (await sandbox.commands.run('pgrep -fc "^sleep 7777" || true')).stdout.trim() === '0')
      const unlimited = await sandbox.commands.run('sleep 1; echo done', { timeoutMs: 0 })
      expect(unlimited.stdout).toBe('done\n')
    })

    it('are told in the logs', async () => {
      await sandbox.commands.run('echo told in the logs')
      const api = way === 'tls' ? `https://api.${vendor.domain}` : process.env.E2B_API_URL
      const headers = { 'x-api-key': process.env.E2B_API_KEY ?? '' }
      const response = await fetch(`${api}/v2/sandboxes/${sandbox.sandboxId}/logs?search=told`, { headers })
      const { logs } = (await response.json()) as { logs: { message: string }[] }
      expect(logs.map(({ message }) => message)).toContain('told in the logs')
    })

    it('run many at a time', async () => {
      const results = await Promise.all(Array.from({ length: 20 }, (_, n) => sandbox.commands.run(`echo ${n}`)))
      expect(results.map(({ stdout }) => Number(stdout))).toEqual(Array.from({ length: 20 }, (_, n) => n))
    })
  })

  describe('a terminal', () => {
    const type = (pid: number, text: string) => sandbox.pty.sendInput(pid, new TextEncoder().encode(text))

    it('is a login shell of the given size, which can be changed', async () => {
      const seen = screen()
      const pty = await sandbox.pty.create({
        cols: 80,
        rows: 24,
        onData: seen.onData,
        envs: { MINE: 'ü' },
        cwd: '/tmp',
      })
      await type(pty.pid, 'stty size; echo [$TERM] [$LANG] [$MINE] [$PWD]; tty\n')
      await seen.shows('24 80')
      await seen.shows('[xterm-256color] [C.UTF-8] [ü] [/tmp]')
      await seen.shows(/\/dev\/pts\/\d+/)
      await sandbox.pty.resize(pty.pid, { cols: 132, rows: 50 })
      await type(pty.pid, 'stty size\n')
      await seen.shows('50 132')
      await type(pty.pid, 'exit 3\n')
      await expect(pty.wait()).rejects.toMatchObject({ exitCode: 3 })
    })

    it('passes control characters on, and runs as another user if asked', async () => {
      const seen = screen()
      const pty = await sandbox.pty.create({ cols: 80, rows: 24, onData: seen.onData, user: 'root' })
      await type(pty.pid, 'whoami; sleep 2345; echo interrupted\n')
      await seen.shows(/root\r\n/)
      await until(async () => (await sandbox.commands.run('pgrep -fc "^sleep 2345" || true')).stdout.trim() === '1')
      await type(pty.pid, '\x03')
      await type(pty.pid, 'echo after-$((40 + 2))\n')
      await seen.shows('after-42')
      await type(pty.pid, '\x04')
      await pty.wait()
    })

    it('goes on without anybody looking, and can be looked at again', async () => {
      const first = screen()
      const pty = await sandbox.pty.create({ cols: 80, rows: 24, onData: first.onData })
      await type(pty.pid, 'KEPT=here; echo ready-$KEPT\n')
      await first.shows('ready-here')
      await pty.disconnect()
      expect((await sandbox.commands.list()).some(({ pid }) => pid === pty.pid)).toBe(true)
      const second = screen()
      const again = await sandbox.pty.connect(pty.pid, { onData: second.onData })
      await type(pty.pid, 'echo still-$KEPT\n')
      await second.shows('still-here')
      expect(second.text).not.toContain('ready-')
      expect(await sandbox.pty.kill(pty.pid)).toBe(true)
      await expect(again.wait()).rejects.toThrow(CommandExitError)
      expect(await sandbox.pty.kill(pty.pid)).toBe(false)
      await expect(type(pty.pid, 'x')).rejects.toThrow(NotFoundError)
      await expect(sandbox.pty.resize(pty.pid, { cols: 1, rows: 1 })).rejects.toThrow(NotFoundError)
    })

    it('ends at its time limit', async () => {
      const before = new Set((await sandbox.commands.list()).map(({ pid }) => pid))
      // The time may be over before it has begun.
      const limited = sandbox.pty.create({ cols: 80, rows: 24, onData: () => {}, timeoutMs: 1_500 })
      await expect(limited.then((pty) => pty.wait())).rejects.toThrow(TimeoutError)
      await until(async () => (await sandbox.commands.list()).every(({ pid }) => before.has(pid)))
    })
  })

  describe('git', () => {
    const repository = '/home/user/work'
    const remote = 'git://127.0.0.1/shared.git'
    beforeAll(async () => {
      await sandbox.commands.run('git init --bare --initial-branch=main /srv/git/shared.git', { user: 'root' })
      await sandbox.commands.run(
        'git config --global --add safe.directory "*"; exec git daemon --reuseaddr --base-path=/srv/git --export-all --enable=receive-pack',
        { user: 'root', background: true, timeoutMs: 0 },
      )
      await until(async () =>
        (await sandbox.commands.run(`git ls-remote ${remote} && echo up || true`)).stdout.includes('up'),
      )
    })

    it('makes a repository, commits, and tells what is changed', async () => {
      await sandbox.git.init(repository, { initialBranch: 'main' })
      await sandbox.git.configureUser('Ann', 'ann@example.com')
      expect(await sandbox.git.getConfig('user.name')).toBe('Ann')
      await sandbox.files.write(`${repository}/file.txt`, 'one\n')
      const before = await sandbox.git.status(repository)
      expect([before.currentBranch, before.hasUntracked, before.isClean]).toEqual(['main', true, false])
      await sandbox.git.add(repository)
      expect((await sandbox.git.status(repository)).hasStaged).toBe(true)
      await sandbox.git.commit(repository, 'First, with "quotes" and ü', {
        authorName: 'Bob',
        authorEmail: 'bob@example.com',
      })
      expect((await sandbox.git.status(repository)).isClean).toBe(true)
      const log = await sandbox.commands.run(`git -C ${repository} log --format='%an %s'`)
      expect(log.stdout).toBe('Bob First, with "quotes" and ü\n')
    })

    it('makes, lists and leaves branches', async () => {
      await sandbox.git.createBranch(repository, 'feature')
      expect(await sandbox.git.branches(repository)).toMatchObject({
        branches: expect.arrayContaining(['feature', 'main']),
        currentBranch: 'feature',
      })
      await sandbox.git.checkoutBranch(repository, 'main')
      await sandbox.git.deleteBranch(repository, 'feature')
      expect((await sandbox.git.branches(repository)).branches).toEqual(['main'])
    })

    it('pushes to a daemon, clones from it and pulls', async () => {
      await sandbox.git.remoteAdd(repository, 'origin', remote)
      await expect(sandbox.git.pull(repository)).rejects.toThrow(GitUpstreamError)
      expect(await sandbox.git.remoteGet(repository, 'origin')).toBe(remote)
      await sandbox.git.push(repository, { remote: 'origin', branch: 'main', setUpstream: true })
      await sandbox.git.clone(remote, { path: '/home/user/clone' })
      expect(await sandbox.files.read('/home/user/clone/file.txt')).toBe('one\n')
      await sandbox.files.write(`${repository}/file.txt`, 'two\n')
      await sandbox.git.add(repository, { files: ['file.txt'] })
      await sandbox.git.commit(repository, 'Second')
      expect((await sandbox.git.status(repository)).ahead).toBe(1)
      await sandbox.git.push(repository)
      await sandbox.git.pull('/home/user/clone')
      expect(await sandbox.files.read('/home/user/clone/file.txt')).toBe('two\n')
    })

    it('goes to a server that asks who it is', async () => {
      await sandbox.files.write('/srv/git/server.py', GIT_SERVER, { user: 'root' })
      await sandbox.commands.run('python3 /srv/git/server.py', { user: 'root', background: true, timeoutMs: 0 })
      const url = 'http://127.0.0.1:8418/shared.git'
      await until(async () => (await sandbox.commands.run('curl -s 127.0.0.1:8418 || echo down')).stdout !== 'down\n')
      const path = '/home/user/private'
      await expect(sandbox.git.clone(url, { path })).rejects.toThrow(GitAuthError)
      await expect(sandbox.git.clone(url, { path, username: 'ann', password: 'wrong' })).rejects.toThrow(GitAuthError)
      const ann = { username: 'ann', password: 'secret' }
      await sandbox.git.clone(url, { path, ...ann })
      expect(await sandbox.git.remoteGet(path, 'origin')).toBe(url)
      await sandbox.files.write(`${path}/more.txt`, 'more')
      await sandbox.git.add(path)
      await sandbox.git.commit(path, 'More')
      await expect(sandbox.git.push(path)).rejects.toThrow(GitAuthError)
      await sandbox.git.push(path, ann)
      expect((await sandbox.git.status(path)).isClean).toBe(true)
      await sandbox.git.dangerouslyAuthenticate({ ...ann, host: '127.0.0.1:8418', protocol: 'http' })
      await sandbox.git.pull(path)
    })

    it('throws away what was done', async () => {
      await sandbox.files.write(`${repository}/file.txt`, 'three\n')
      await sandbox.git.add(repository)
      await sandbox.git.restore(repository, { paths: ['file.txt'], staged: true, worktree: true })
      expect(await sandbox.files.read(`${repository}/file.txt`)).toBe('two\n')
      await sandbox.git.reset(repository, { mode: 'hard', target: 'HEAD~1' })
      expect(await sandbox.files.read(`${repository}/file.txt`)).toBe('one\n')
    })
  })
})

/** Repositories below its directory, for who is `ann` and knows the password. */
const GIT_SERVER = `
import base64, http.server, subprocess
class Handler(http.server.BaseHTTPRequestHandler):
    def serve(self):
        if self.headers['authorization'] != 'Basic ' + base64.b64encode(b'ann:secret').decode():
            self.send_response(401)
            self.send_header('WWW-Authenticate', 'Basic realm="git"')
            self.end_headers()
            return
        path, _, query = self.path.partition('?')
        env = {'GIT_PROJECT_ROOT': '/srv/git', 'GIT_HTTP_EXPORT_ALL': '1', 'PATH_INFO': path, 'QUERY_STRING': query,
               'REQUEST_METHOD': self.command, 'CONTENT_TYPE': self.headers['content-type'] or '', 'REMOTE_USER': 'ann',
               'HTTP_CONTENT_ENCODING': self.headers['content-encoding'] or '', 'HOME': '/root', 'PATH': '/usr/bin:/bin'}
        body = self.rfile.read(int(self.headers['content-length'] or 0))
        out = subprocess.run(['git', 'http-backend'], env=env, input=body, capture_output=True).stdout
        head, _, rest = out.partition(b'\\r\\n\\r\\n')
        fields = dict(line.split(': ', 1) for line in head.decode().split('\\r\\n'))
        self.send_response(int(fields.pop('Status', '200').split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(rest)
    do_GET = do_POST = serve
http.server.ThreadingHTTPServer(('127.0.0.1', 8418), Handler).serve_forever()
`
