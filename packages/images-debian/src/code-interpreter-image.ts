import { BASE_IMAGE, type KnownImage } from './base-image.ts'

/**
 * What the code interpreter of E2B and Novita runs in: the base image with Jupyter, a Python kernel, and the packages that
 * code written by models expects. Built on request only: matplotlib brings SciPy and its relatives, 900 MB in all.
 */
export const CODE_INTERPRETER_IMAGE: KnownImage = {
  ...BASE_IMAGE,
  name: 'code-interpreter-v1',
  source: {
    ...BASE_IMAGE.source,
    packages: [
      ...BASE_IMAGE.source.packages,
      ...['jupyter-server', 'python3-ipykernel'],
      ...[
        'python3-numpy',
        'python3-pandas',
        'python3-matplotlib',
        'python3-seaborn',
        'python3-sklearn',
        'python3-sympy',
      ],
      ...['python3-pil', 'python3-openpyxl', 'python3-bs4', 'python3-lxml', 'python3-requests'],
    ],
  },
}

/** Images of Spawnpoint's own, which nobody needs to describe. */
export const KNOWN_IMAGES: readonly KnownImage[] = [BASE_IMAGE, CODE_INTERPRETER_IMAGE]
