import { INTERPRETER_COMMANDS } from '@spawnpoint/door-e2b'
import { BASE_IMAGE, CODE_INTERPRETER_PACKAGES, DESKTOP_PACKAGES } from '@spawnpoint/images-debian'
import type { BuildImage } from 'spawnpoint'

export type KnownImage = keyof typeof KNOWN_IMAGES

const CHROMIUM_FLAGS = 'CHROMIUM_FLAGS="$CHROMIUM_FLAGS --no-sandbox --disable-dev-shm-usage --disable-gpu"'

/** Images of Spawnpoint's own, which nobody needs to describe: what to build one after the other. */
export const KNOWN_IMAGES = {
  base: [BASE_IMAGE],
  /** What the code interpreter of E2B and Novita runs in: every sandbox of it begins with Jupyter running. */
  'code-interpreter-v1': [
    CODE_INTERPRETER_PACKAGES,
    {
      name: 'code-interpreter-v1',
      source: {
        type: 'recipe',
        from: CODE_INTERPRETER_PACKAGES.name,
        // The first import looks for fonts, and keeps what it found.
        steps: [{ type: 'run', command: 'python3 -c "import matplotlib.pyplot"' }],
        ...INTERPRETER_COMMANDS,
      },
    },
  ],
  /** What E2B's and Novita's clients of a desktop start one in. */
  desktop: [
    DESKTOP_PACKAGES,
    {
      name: 'desktop',
      source: {
        type: 'recipe',
        from: DESKTOP_PACKAGES.name,
        steps: [
          // Where the clients look for it.
          { type: 'run', command: 'ln -s /usr/share/novnc /opt/noVNC', user: 'root' },
          // The sandbox is one already, and has no room for another inside.
          { type: 'run', command: `echo '${CHROMIUM_FLAGS}' >/etc/chromium.d/in-a-sandbox`, user: 'root' },
        ],
      },
      // A browser and its desktop do not fit into a sandbox of the usual size.
      resources: { memoryBytes: 2 * 2 ** 30 },
    },
  ],
} satisfies Record<string, BuildImage[]>

export function isKnownImage(name: string): name is KnownImage {
  return Object.hasOwn(KNOWN_IMAGES, name)
}
