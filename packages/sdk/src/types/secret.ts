export interface SetSecret {
  /** Visible ASCII; stored encrypted, and never given out */
  value: string
  /** The only hosts that it may be sent to, names or `*.name`; default all */
  hosts?: string[] | undefined
}

/** A value that rules of sandboxes put into requests, as `{NAME}` in the template of a header. */
export interface Secret {
  name: string
  hosts: string[]
  /** How many values it has had */
  version: number
  createdAt: Date
  /** When its value was given */
  updatedAt: Date
}
