import { INTERPRETER_COMMANDS } from '@spawnpoint/door-e2b'
import { BASE_IMAGE, CODE_INTERPRETER_PACKAGES } from '@spawnpoint/images-debian'
import type { BuildImage } from 'spawnpoint'

export type KnownImage = keyof typeof KNOWN_IMAGES

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
} satisfies Record<string, BuildImage[]>

export function isKnownImage(name: string): name is KnownImage {
  return Object.hasOwn(KNOWN_IMAGES, name)
}
