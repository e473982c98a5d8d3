/** The API key of who is signed in: of this tab, or, if they asked for it, of this browser. */

const ITEM = 'spawnpoint.key'
const listeners = new Set<() => void>()

/** Takes the key out of the address (`#key=…`), which never reached the server, and out of the history. */
export function keyFromAddress(location: Location, history: History): string | null {
  const given = new URLSearchParams(location.hash.slice(1)).get('key')
  if (given === null) return null
  history.replaceState(null, '', location.pathname + location.search)
  return given === '' ? null : given
}

export function storedKey(): string | null {
  return sessionStorage.getItem(ITEM) ?? localStorage.getItem(ITEM)
}

export function signIn(key: string, keep: boolean): void {
  signOutQuietly()
  const storage = keep ? localStorage : sessionStorage
  storage.setItem(ITEM, key)
  for (const listener of listeners) listener()
}

export function signOut(): void {
  signOutQuietly()
  for (const listener of listeners) listener()
}

export function onSession(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function signOutQuietly(): void {
  sessionStorage.removeItem(ITEM)
  localStorage.removeItem(ITEM)
}
