import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HttpDownloads } from './downloads.ts'
import { lines, packed, read } from './testing/read.ts'

let content: string
let origin: string
const server = createServer((request, response) => {
  if (request.url === '/app.txt' || request.url === '/app.txt?v=1') response.end(content)
  else if (request.url === '/to') response.writeHead(302, { location: '/app.txt' }).end()
  else if (request.url === '/on-and-on') response.writeHead(302, { location: '/on-and-on' }).end()
  else if (request.url === '/elsewhere') response.writeHead(302, { location: 'file:///etc/passwd' }).end()
  else response.writeHead(404).end()
})
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())
beforeEach(() => {
  content = 'as it is'
})

const sum = () => createHash('sha256').update(content).digest('hex')

describe('ADD of an address', () => {
  it.each([
    [
      'under its own name',
      'ADD --chown=1000 $O/app.txt?v=1#x /d/',
      { source: 'app.txt', destination: '/d/', user: '1000:1000' },
      'app.txt file 600',
    ],
    [
      'under another',
      'ADD --chmod=go+r $O/app.txt /x',
      { source: 'app.txt', destination: '/x', user: '0:0' },
      'app.txt file 644',
    ],
    ['by way of another', 'ADD $O/to /d/', { source: 'to', destination: '/d/' }, 'to file 600'],
  ])('%s', async (_, instruction, step, entry) => {
    const { build, steps } = await read(lines(`ARG O=${origin}`, instruction))
    const [added] = steps
    expect(steps).toMatchObject([{ type: 'copy', ...step }])
    expect(await packed(build, added?.type === 'copy' ? added.blob : undefined)).toEqual([`${entry} as it is`])
  })

  it('is another step when something else is there', async () => {
    const key = async () => (await read(lines(`ADD ${origin}/app.txt /x`))).plan.blobs[0]
    const before = await key()
    expect(await key()).toBe(before)
    content = 'as it will be'
    expect(await key()).not.toBe(before)
  })

  it('fails if it changes on the way', async () => {
    for (const other of ['as it iS', 'less', 'more than it was']) {
      content = 'as it is'
      const { build, plan } = await read(lines(`ADD ${origin}/app.txt /x`))
      content = other
      await expect(build.pack(plan.blobs[0] ?? '').toArray()).rejects.toThrow('changed while it was added')
    }
  })

  it('has the checksum that is asked for', async () => {
    await read(lines(`ADD --checksum=sha256:${sum()} ${origin}/app.txt /x`))
    await expect(read(lines(`ADD --checksum=sha256:${'0'.repeat(64)} ${origin}/app.txt /x`))).rejects.toMatchObject({
      code: 'invalid_argument',
      message: `Dockerfile:2: what is at ${origin}/app.txt has the checksum sha256:${sum()}`,
    })
  })

  it.each([
    ['ADD $O/none /x', /answered 404/],
    ['ADD $O/on-and-on /x', /more than 10 redirects/],
    ['ADD $O/elsewhere /x', /leads on to what is not asked/],
    ['ADD $O/ /x/', /names no file/],
    ['ADD --checksum=md5:1 $O/app.txt /x', /--checksum wants/],
    ['ADD https://git.example.com/app.git#main /x', /Git repositories/],
    ['COPY $O/app.txt /x', /ADD takes/],
  ])('%s is refused', async (instruction, message) => {
    const refused = read(lines(`ARG O=${origin}`, instruction))
    await expect(refused).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(message) })
  })
})

it('asks nothing that is near, and no more than there may be', async () => {
  const { signal } = new AbortController()
  await expect(new HttpDownloads().look(`${origin}/app.txt`, 100, signal)).rejects.toThrow('not asked')
  await expect(new HttpDownloads({ nearest: 'loopback' }).look(`${origin}/app.txt`, 3, signal)).rejects.toMatchObject({
    code: 'payload_too_large',
  })
})
