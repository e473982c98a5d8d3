import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TarEntry } from '@spawnpoint/images-oci/testing'
import { REPOSITORY } from './world.ts'

const DEBIAN = join(REPOSITORY, '.cache/debian')

/** As Alpine has it: busybox for a shell, musl for a C library. */
export function alpineLike(more: TarEntry[] = []): TarEntry[] {
  const busybox = readFileSync(join(DEBIAN, 'bin/busybox'))
  const musl = readFileSync(join(DEBIAN, 'lib/ld-musl-x86_64.so.1'))
  return [
    { name: 'bin/busybox', data: busybox, mode: 0o4755 },
    ...['sh', 'cat', 'id', 'ls', 'stat', 'touch', 'su', 'echo'].map(
      (name): TarEntry => ({ name: `bin/${name}`, type: 'symlink', link: '/bin/busybox' }),
    ),
    { name: 'lib/ld-musl-x86_64.so.1', data: musl, mode: 0o755 },
    { name: 'etc/passwd', data: 'root::0:0:root:/root:/bin/sh\napp:x:1001:1002::/home/app:/bin/sh\n' },
    { name: 'etc/group', data: 'root:x:0:\napp:x:1002:\n' },
    ...more,
  ]
}
