export interface CreateRegistry {
  /** Unique among the team's */
  name: string
  /** `[https://]HOST[:PORT][/PREFIX]`, or `http://…` for one without TLS */
  url: string
  username?: string | undefined
  /** Stored encrypted, and never given out */
  password?: string | undefined
}

export interface UpdateRegistry {
  name?: string | undefined
  url?: string | undefined
  username?: string | null | undefined
  password?: string | null | undefined
}

/** Where images are kept, and as whom they are got. */
export interface Registry {
  id: string
  name: string
  url: string
  username: string | null
  createdAt: Date
  updatedAt: Date
}
