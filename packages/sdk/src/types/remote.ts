/** Files of somewhere else that are put into a sandbox while it is made. */
export interface Remote {
  /** `[A-Za-z0-9_-]{1,64}`, unique among the sandbox's */
  name: string
  /** Directory inside that they are put into, in the place of what it had; absolute */
  path: string
  source: GitSource
  /** Milliseconds between looks for what has changed, while it runs; `null` for none after the first */
  refreshMs: number | null
  /** Of what was brought last: of Git the id of a commit or tag */
  version: string | null
}

/** The files of one commit, without its history. */
export interface GitSource {
  type: 'git'
  /** `https://`, or `http://` on the host of the server */
  url: string
  /** `null` for the branch that the repository names */
  ref: GitRef | null
}

export interface GitRef {
  type: 'branch' | 'tag'
  name: string
}

/** What takes a user and a password takes a credential for its host besides. */
export interface BringRemote extends Pick<Remote, 'name' | 'path'> {
  /** At least 1,000; default `null` */
  refreshMs?: number | null | undefined
  source: Omit<GitSource, 'ref'> & { ref?: GitRef | null | undefined }
}
