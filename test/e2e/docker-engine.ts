import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { REPOSITORY } from './world.ts'

const run = promisify(execFile)
const FETCHED = join(REPOSITORY, '.cache/debian/usr')
const STARTED_WITHIN_MS = 60_000

/**
 * The daemon, as pid 1 of a namespace, so that containers end when it does. What it writes outside of its own directory
 * (`/run/docker`, `/opt/containerd`, `/etc/docker/key.json`) goes to file systems that nobody else sees.
 */
const DAEMON = `
  mount -t proc proc /proc
  mkdir "$0/etc"
  cp -a /etc/. "$0/etc"
  mount --bind "$0/etc" /etc
  for place in /run /opt; do mount -t tmpfs tmpfs "$place"; done
  exec dockerd --host "unix://$0/docker.sock" --data-root "$0/data" --exec-root "$0/exec" --pidfile "$0/pid" \\
    --cgroup-parent "$1" --storage-driver vfs --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false`

/** Debian's Docker, which leaves the host's network and firewall alone: its containers have no network. */
export class DockerEngine implements AsyncDisposable {
  readonly #dir = mkdtempSync(join(tmpdir(), 'spawnpoint-docker-'))
  readonly #controlGroup = `spawnpoint-docker-${randomBytes(6).toString('hex')}`
  readonly #env: NodeJS.ProcessEnv = {
    ...process.env,
    PATH: `${FETCHED}/bin:${FETCHED}/sbin:${process.env.PATH}`,
    DOCKER_HOST: `unix://${join(this.#dir, 'docker.sock')}`,
    DOCKER_CONFIG: join(this.#dir, 'config'),
  }
  readonly #daemon: ChildProcess
  readonly #ended: Promise<unknown>
  #output = ''

  /** Logged in to `registry`, as `docker login` would write it down. */
  private constructor(registry: string, { username, password }: { username: string; password: string }) {
    mkdirSync(join(this.#dir, 'config'))
    const auth = Buffer.from(`${username}:${password}`).toString('base64')
    writeFileSync(join(this.#dir, 'config/config.json'), JSON.stringify({ auths: { [registry]: { auth } } }))
    const own = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child']
    const command = ['sh', '-euc', DAEMON, this.#dir, `/${this.#controlGroup}`]
    this.#daemon = spawn('unshare', [...own, ...command], { env: this.#env, stdio: ['ignore', 'ignore', 'pipe'] })
    this.#ended = new Promise((resolve) => this.#daemon.once('close', resolve).once('error', resolve))
    this.#daemon.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
    })
  }

  static async start(registry: string, user: { username: string; password: string }): Promise<DockerEngine> {
    const engine = new DockerEngine(registry, user)
    const giveUpAt = Date.now() + STARTED_WITHIN_MS
    for (;;) {
      const error = await engine.docker('version').catch((failure: Error) => failure)
      if (!(error instanceof Error)) return engine
      if (engine.#daemon.exitCode !== null || Date.now() > giveUpAt) {
        await engine[Symbol.asyncDispose]()
        throw new Error(`dockerd did not start: ${error.message}\\n${engine.#output}`)
      }
      await sleep(100)
    }
  }

  /** What `docker ARGS…` prints. */
  async docker(...args: string[]): Promise<string> {
    return (await run('docker', args, { env: this.#env, timeout: STARTED_WITHIN_MS })).stdout
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#daemon.kill('SIGKILL')
    await this.#ended
    // What the namespace had may still be dying.
    const find = ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*/${this.#controlGroup}*`]
    for (let tries = 50; tries > 0; tries -= 1) {
      const gone = await run('find', [...find, '-exec', 'rmdir', '{}', '+']).catch(() => null) // looked at again
      if (gone !== null) break
      await sleep(100)
    }
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}
