import { invalidArgument, type SpawnpointError } from '@spawnpoint/core'

/** What is wrong with line `line` of a Dockerfile. */
export class DockerfileError extends Error {
  override readonly name = 'DockerfileError'
  readonly line: number

  constructor(line: number, message: string) {
    super(message)
    this.line = line
  }
}

/** What goes wrong in `run` is wrong with this line. */
export function at<T>(line: number, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw new DockerfileError(line, error instanceof Error ? error.message : String(error))
  }
}

/** As the caller of the core is told. */
export function refused(file: string, error: DockerfileError): SpawnpointError<'invalid_argument'> {
  return invalidArgument(`${file}:${error.line}`, error.message)
}
