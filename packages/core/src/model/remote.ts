/**
 * Files of somewhere else that are put into a sandbox while it is made. From then on they are its own: what is done to them
 * there does not change the sandbox's, nor the other way round.
 */
export interface Remote {
  /** `[A-Za-z0-9_-]{1,64}`, unique among the sandbox's */
  name: string
  /** Directory inside that they are put into, in the place of what it had; absolute */
  path: string
  source: RemoteSource
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
