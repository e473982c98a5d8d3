/** Before names that the core does not allow. None that this protocol allows begins so. */
const PREFIX = 'b.'

/** Names here are of `[a-z0-9-]`; the core's begin with a letter or digit and do not look like ids. */
export function coreName(name: string): string {
  return name.startsWith('-') || /^[0-9a-f]{24}$/.test(name) ? PREFIX + name : name
}

export function shownName(name: string): string {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name
}
