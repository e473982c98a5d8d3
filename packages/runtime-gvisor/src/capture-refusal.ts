import { SpawnpointError } from '@spawnpoint/core'

/**
 * What runsc says when the sandbox itself holds something that it cannot save, in the words of its own source; anything
 * else is a failure of the runtime. In each, group 1 is a path, where there is one.
 */
const REFUSALS: readonly { pattern: RegExp; what: string; reason: string }[] = [
  {
    pattern: /gofer\.dentry\("([^"]*)"\)[^;]*deleted/,
    what: 'deleted file',
    reason: 'A process holds a file, program or working directory that was deleted',
  },
  {
    pattern: /(?:failed to (?:read|open read handle for)|read all of) deleted file "([^"]*)"/,
    what: 'deleted file',
    reason: 'A deleted file that a process holds cannot be read',
  },
  {
    pattern: /gofer\.dentry\("([^"]*)"\)[^;]*invalidated/,
    what: 'file changed from outside',
    reason: 'A file was changed from outside the sandbox',
  },
  {
    pattern: /endpoint cannot be saved in connected state/,
    what: 'connection',
    reason: 'A connection to the outside is open',
  },
  {
    pattern: /save rejected due to unsupported networking state/i,
    what: 'connection',
    reason: 'A connection is in a state that cannot be saved',
  },
  {
    pattern: /[Cc]annot save endpoint with bound host socket/,
    what: 'socket',
    reason: 'A socket of the host is bound inside the sandbox',
  },
]

/** Older ones stumble over a connection that is just being opened instead of refusing. */
const STUMBLE = /nil pointer dereference/

/** `null` if the words do not blame the sandbox. */
export function captureRefusal(
  words: string,
  options: { keepsConnections: boolean },
): SpawnpointError<'capture_refused'> | null {
  for (const { pattern, what, reason } of REFUSALS) {
    const match = pattern.exec(words)
    if (!match) continue
    const path = match[1] === undefined ? null : `/${match[1].replace(/^\/+/, '')}`
    return refused(reason, words, path === null ? [] : [{ pid: 0, what, path }])
  }
  if (!options.keepsConnections && STUMBLE.test(words)) {
    return refused('A connection is just being opened; try again', words, [])
  }
  return null
}

function refused(
  reason: string,
  words: string,
  culprits: { pid: number; what: string; path: string }[],
): SpawnpointError<'capture_refused'> {
  return new SpawnpointError('capture_refused', `${reason}: the snapshot was not taken`, {
    reason: `${reason} (${words.slice(0, 500)})`,
    culprits,
  })
}
