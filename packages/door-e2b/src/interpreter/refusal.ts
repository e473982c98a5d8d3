/** What a client is told instead of an answer; the clients show the status and little else. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

/** The program in the sandbox that should be Jupyter does not keep to its protocol, or does not answer. */
export function broken(what: string, cause?: unknown): Refusal {
  return new Refusal(500, `The code interpreter in the sandbox failed: ${what}`, { cause })
}
