/** What the gateway needs of a logger; pino and the core's own fit. */
export interface Log {
  error(fields: object, message: string): void
}
