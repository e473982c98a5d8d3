import type { Sandbox } from 'spawnpoint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { World } from './world.ts'

let world: World
let sandbox: Sandbox
beforeAll(async () => {
  world = await World.start()
  sandbox = await world.client.sandboxes.create({ image: 'base' })
})
afterAll(() => world[Symbol.asyncDispose]())

/** What it printed; a failure shows what it said. */
async function output(command: string, user?: string): Promise<string> {
  const { exitCode, stdout, stderr } = await sandbox.run(['bash', '-l', '-c', command], user ? { user } : {})
  expect(`${exitCode} ${stderr}`).toBe('0 ')
  return stdout.trim()
}

describe('the image `base` in a sandbox', () => {
  it.each([
    ...['bash', 'python', 'python3', 'pip', 'node', 'npm', 'curl', 'wget', 'git', 'make', 'cc', 'c++', 'jq', 'rsync'],
    ...[
      'sudo',
      'ps',
      'pgrep',
      'pkill',
      'ip',
      'ss',
      'tput',
      'getfattr',
      'setfattr',
      'zip',
      'unzip',
      'xz',
      'file',
      'ssh',
    ],
  ])('has %s', async (tool) => {
    expect(await output(`command -v ${tool}`)).toMatch(/^\//)
  })

  it('works as `user` at home, who may become root without a password', async () => {
    expect(await output('echo $(id -un) $HOME $PWD')).toBe('user /home/user /home/user')
    expect(await output('sudo -n id -un')).toBe('root')
    expect(await output('echo $(id -u) $HOME', 'root')).toBe('0 /root')
  })

  it('runs and compiles programs', async () => {
    expect(await output('python -c "import ssl, venv, sys; print(sys.version_info.major)"')).toBe('3')
    expect(await output('node -p "6 * 7"')).toBe('42')
    expect(await output("echo 'int main() { return 0; }' > a.c && cc a.c -o a && ./a && rm a a.c && echo ran")).toBe(
      'ran',
    )
  })

  it('installs a Python package from a file, its command on the path of a login shell', async () => {
    await sandbox.files.write('wheel.py', WHEEL)
    expect(await output('pip --version')).toMatch(/^pip \d/)
    await output(
      'python wheel.py && pip install --quiet --no-index --disable-pip-version-check ./greet-1.0-py3-none-any.whl',
    )
    expect(await output('python -c "import greet; greet.main()"')).toBe('hello')
    expect(await output('greet')).toBe('hello')
  })

  it('serves repositories with the git daemon', async () => {
    const commit = 'git -c user.name=a -c user.email=a@b commit --quiet --allow-empty --message one'
    await output(`git init --quiet --initial-branch=trunk served/repo && cd served/repo && ${commit}`)
    const daemon = await sandbox.processes.start(
      ['git', 'daemon', '--export-all', '--base-path=/home/user/served', '--listen=127.0.0.1', '--port=9418'],
      {},
    )
    await output('until ss --no-header -tln 2>/dev/null | grep -q :9418; do sleep 0.1; done')
    expect(await output('git clone --quiet git://127.0.0.1/repo cloned && git -C cloned branch --show-current')).toBe(
      'trunk',
    )
    await daemon.kill()
  })

  it('keeps extended attributes, in a snapshot too', async () => {
    await output('touch marked && setfattr --name user.colour --value blue marked')
    expect(await output('getfattr --only-values --name user.colour marked')).toBe('blue')
    const snapshot = await sandbox.snapshot({ kind: 'filesystem' })
    await using clone = await snapshot.spawn()
    expect((await clone.run('getfattr --only-values --name user.colour marked')).stdout).toBe('blue')
    await clone.kill()
    await snapshot.delete({ permanent: true })
  })

  it('speaks UTF-8 and knows terminals', async () => {
    expect(await output('echo $LANG; word=größe; expr length $word')).toBe('C.UTF-8\n5')
    expect(await output('python -c "print(\'größe\')"')).toBe('größe')
    expect(await output('tput -T xterm-256color colors')).toBe('256')
  })

  it('answers what clients ask to know whether a program is ready', async () => {
    const server = await sandbox.processes.start(['python3', '-m', 'http.server', '8000', '--bind', '127.0.0.1'], {})
    await output('until ss -tuln 2>/dev/null | grep -q :8000; do sleep 0.1; done')
    expect(await output('curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1:8000')).toBe('200')
    expect(await output('pgrep -f http.server | head -1')).toBe(String(server.pid))
    await server.kill()
  })
})

/** Writes a wheel as the format has it: a zip with the module and three files about it. */
const WHEEL = `
import zipfile
with zipfile.ZipFile('greet-1.0-py3-none-any.whl', 'w') as wheel:
    info = 'greet-1.0.dist-info/'
    wheel.writestr('greet.py', "def main(): print('hello')\\n")
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: greet\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'entry_points.txt', '[console_scripts]\\ngreet = greet:main\\n')
    wheel.writestr(info + 'RECORD', '')
`
