export interface NetworkPolicy {
  /** Outbound connections at all */
  internet: boolean
  /**
   * CIDRs. With precedence `deny` only these are reachable (if there is anything in `allow` or `allowDomains`), less what
   * `deny` names; with precedence `allow` everything is, but for what `deny` names and neither of the two lists excepts. One with
   * `:PORT` behind it is of that TCP port alone.
   */
  allow: string[]
  deny: string[]
  /**
   * Host names, `*.name` for all names below it, or `~` and an RE2 expression that is looked for in a name, reachable over TLS and
   * HTTP on TCP ports 443 and 80 whatever their addresses are; a name with `:PORT` behind it on that TCP port alone. The name
   * servers are reachable then too.
   */
  allowDomains: string[]
  /**
   * Such host names that are not reachable whatever else holds: name servers do not tell of them, and TLS and HTTP on ports 443 and 80
   * go by the name that they are for; without one they are refused. With another port that TCP port is shut at every address, but
   * where `allowDomains` opens it: nothing tells there which name a connection is for. Default none
   */
  denyDomains?: string[] | undefined
  precedence: 'deny' | 'allow'
}

export interface TimeoutPolicy {
  /** Milliseconds from creation, resume or extension to expiry; `null` for never */
  timeoutMs: number | null
  /** Milliseconds without a request to the sandbox until `onTimeout` happens; `null` for never */
  idleTimeoutMs: number | null
  /** What then happens. `stop` keeps the filesystem and ends the processes. */
  onTimeout: 'kill' | 'pause' | 'stop'
  /** A use of the paused or stopped sandbox brings it back, its timeout counting anew, and then goes on */
  autoResume: boolean
  /** Milliseconds paused, stopped or failed until it is killed, counted from `haltedAt`; `null` for never */
  deleteAfterMs: number | null
}

export type PortAccess = 'open' | 'token' | 'closed'

/** Who reaches programs in a sandbox through an address of its own: anybody, only who shows a token, nobody. */
export interface IngressPolicy {
  /** For ports that are not in `ports` */
  default: PortAccess
  /** By port number */
  ports: Record<string, PortAccess>
  /** Host header that programs see; `${PORT}` in it stands for the port. `null` for the one that the client sent */
  hostHeader: string | null
  /** Ports whose programs speak TLS themselves; their certificates are not checked. Default none */
  tlsPorts?: number[] | undefined
}
