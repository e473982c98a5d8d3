/** What the door needs of a logger; pino and the core's own fit. */
export interface Log {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
