import type { Operation } from 'spawnpoint'
import { INTERRUPTED } from './exit.ts'

/**
 * For work that the server goes on with when this program is interrupted: that is said then, and how to find and end it.
 * Returns what to tell of each change of the work.
 */
export function toldWhenInterrupted(): (operation: Operation) => void {
  let known: Operation | null = null
  return (operation) => {
    if (known === null) {
      process.once('SIGINT', () => {
        if (known !== null) process.stderr.write(`\n${leftRunning(known)}\n`)
        process.exit(INTERRUPTED)
      })
    }
    known = operation
  }
}

export function leftRunning({ id, kind, imageId }: Pick<Operation, 'id' | 'kind' | 'imageId'>): string {
  const watch = `The server goes on with it; watch it with: spawnpoint operation show -f ${id}`
  return kind === 'image.build' && imageId !== null
    ? `${watch}\nEnd it with: spawnpoint image cancel ${imageId}`
    : watch
}
