import {
  type BaseSource,
  type BuildProgress,
  type BuiltImage,
  type ImageBuilder,
  SpawnpointError,
} from '@spawnpoint/core'
import type { FakeHost } from './host.ts'

const PASSWD = [
  'root:x:0:0:root:/root:/bin/sh',
  'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
  'user:x:1000:1000::/home/user:/bin/sh',
  '',
].join('\n')

/** What every reference stands for. */
export const FAKE_DIGEST = `sha256:${'d'.repeat(64)}`

/**
 * "Builds" any source into a small tree with the accounts root, user (1000) and nobody; packages become files
 * `/usr/share/packages/NAME`. Fault point: `imageBuilder.build`.
 */
export class FakeImageBuilder implements ImageBuilder {
  readonly types = ['debian', 'tar', 'oci', 'layers'] as const satisfies BaseSource['type'][]
  readonly #host: FakeHost
  readonly #life

  constructor(host: FakeHost) {
    this.#host = host
    this.#life = host.faults.life
  }

  build(
    source: BaseSource,
    dir: string,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<BuiltImage> {
    return this.#host.faults.run(this.#life, 'imageBuilder.build', dir, () => {
      if (signal.aborted) {
        throw new SpawnpointError(
          'cancelled',
          'The build was cancelled',
          { what: 'image build' },
          { cause: signal.reason },
        )
      }
      report({ step: 'unpack', fraction: 0, line: null })
      fillFakeRoot(this.#host, dir)
      const tree = this.#host.tree(dir)
      const names =
        source.type === 'debian'
          ? source.packages
          : source.type === 'layers'
            ? source.layers.map((key) => key.slice('sha256:'.length))
            : [(source.type === 'tar' ? source.path : source.reference).split('/').at(-1) ?? source.type]
      for (const name of names) tree.writeFile(`/usr/share/packages/${name}`, `${name}\n`)
      report({ step: 'done', fraction: 1, line: null })
      const defaults = { user: 'user', workdir: '/home/user' }
      return source.type === 'oci' ? { defaults, source: { ...source, digest: FAKE_DIGEST } } : { defaults }
    })
  }
}

/** The least that the fake guest needs in a root. */
export function fillFakeRoot(host: FakeHost, dir: string): void {
  const tree = host.tree(dir)
  tree.writeFile('/etc/passwd', PASSWD)
  tree.writeFile('/etc/hostname', 'image\n')
  tree.writeFile('/root/.profile', '')
  tree.writeFile('/var/lib/empty', '')
  tree.writeFile('/home/user/.profile', '')
  for (const path of ['/home/user', '/home/user/.profile']) {
    const node = tree.get(path)
    if (node) tree.set(path, { ...node, uid: 1000, gid: 1000 })
  }
}
