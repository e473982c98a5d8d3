import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Passes bytes on to a server and resets each connection after so many bytes of its answers. */
export async function openCuttingProxy(url: string, options: { afterBytes: number }) {
  const target = new URL(url)
  const open = new Set<Socket>()
  let cuts = 0
  let { afterBytes } = options
  const server = createServer((socket) => {
    const upstream = connect(Number(target.port), target.hostname)
    let passed = 0
    open.add(socket)
    open.add(upstream)
    const end = () => {
      for (const one of [socket, upstream]) {
        one.destroy()
        open.delete(one)
      }
    }
    for (const one of [socket, upstream]) one.on('error', end).on('close', end)
    socket.pipe(upstream)
    upstream.on('data', (chunk) => {
      const left = Math.max(0, afterBytes - passed)
      passed += chunk.length
      if (chunk.length <= left) {
        if (!socket.write(chunk)) {
          upstream.pause()
          socket.once('drain', () => upstream.resume())
        }
        return
      }
      // What fits is delivered: a cut in the middle of a line or frame is the point.
      cuts += 1
      upstream.pause()
      socket.write(chunk.subarray(0, left), () => socket.resetAndDestroy())
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set afterBytes(bytes: number) {
      afterBytes = bytes
    },
    get cuts() {
      return cuts
    },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
