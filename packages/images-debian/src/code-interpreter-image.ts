import { BASE_IMAGE, type KnownImage } from './base-image.ts'

/**
 * The base image with Jupyter, a Python kernel, and the packages that code written by models expects. Built on request
 * only: matplotlib brings SciPy and its relatives, 900 MB in all.
 */
export const CODE_INTERPRETER_PACKAGES: KnownImage = {
  ...BASE_IMAGE,
  name: 'code-interpreter-packages',
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
