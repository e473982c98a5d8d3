/** Exit status of a program ended by SIGPIPE. */
const BROKEN_PIPE = 141

const farewells = new Set<() => Promise<void>>()

/** Something to do before the program ends because nobody reads its output any more; returns how to take it back. */
export function onBrokenPipe(farewell: () => Promise<void>): () => void {
  farewells.add(farewell)
  return () => farewells.delete(farewell)
}

/** The reader of our output has gone, as with `| head`: nothing more to say to anybody. */
export function exitOnBrokenPipe(): void {
  let leaving = false
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // What is written meanwhile fails as well, and must not cut the farewells short.
    if (leaving) return
    if (error.code !== 'EPIPE') throw error
    leaving = true
    void Promise.allSettled([...farewells].map((farewell) => farewell())).then(() => process.exit(BROKEN_PIPE))
  })
}
