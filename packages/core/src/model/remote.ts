/**
 * Files of somewhere else that are put into a sandbox while it is made. What is done to them inside changes nothing there; what
 * changes there is brought anew, in the place of what is inside, every `refreshMs` while the sandbox runs.
 */
export interface Remote {
  /** `[A-Za-z0-9_-]{1,64}`, unique among the sandbox's */
  name: string
  /** Directory inside that they are put into, in the place of what it had; absolute */
  path: string
  source: RemoteSource
  /** Milliseconds between looks, 1,000 at least; `null` for none after the first */
  refreshMs: number | null
  /** What was brought last, as its source names it; `null` while nothing was */
  version: string | null
}

export type RemoteSource = GitSource

/** The files of one commit, without its history. What asking for them takes besides is the sandbox's credentials. */
export interface GitSource {
  type: 'git'
  /** `https://`, or `http://` on this host */
  url: string
  /** `null` for the branch that the repository names */
  ref: { type: 'branch' | 'tag'; name: string } | null
}
