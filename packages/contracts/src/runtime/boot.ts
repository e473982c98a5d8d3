import { newId } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { type Bench, contextOf, pieces, readText, run, spec } from './bench.ts'

/** Cold starts, identity, and what is left of those that fail. */
export function bootSuite(bench: () => Bench): void {
  describe('start', () => {
    it('gives a running incarnation whose agent knows its identity', async () => {
      const b = bench()
      const env = { FROM: 'identity', OVER: 'identity' }
      const box = await b.boot({ identity: { hostname: 'named-box', env, generation: 7 } })
      expect(await b.listed(box.id)).toEqual({ id: box.id, paused: false })
      expect(box.guest.agentVersion).not.toBe('')
      expect(box.guest.protocolVersion).toBeGreaterThan(0)
      const context = await run(box.guest, b.programs.context(), { env: { OVER: 'request' } })
      const seen = await contextOf(context)
      expect(seen).toMatchObject({ cwd: '/root', user: 'root', hostname: 'named-box' })
      expect(seen.env).toMatchObject({ FROM: 'identity', OVER: 'request' })
      expect((await readText(box.guest, '/run/spawnpoint/generation')).trim()).toBe('7')
      await b.drop(box)
    })

    it('reports what identify did', async () => {
      const b = bench()
      const root = await b.root()
      const guest = await b.runtime.start(b.spec(root))
      const report = await guest.identify(b.identity({ generation: 3 }))
      expect(report).toEqual({
        hostname: expect.any(Boolean),
        machineId: expect.any(Boolean),
        entropy: expect.any(Boolean),
        generation: 3,
        hooks: [],
      })
    })

    it('runs the start command with the image’s user and directory', async () => {
      const b = bench()
      const startCommand = b.programs.sleep(1000)
      const defaults = { user: 'nobody', workdir: '/var', startCommand }
      const box = await b.boot({ identity: { defaults } })
      const processes = await box.guest.processes.list()
      const started = processes.find((process) => process.args.join(' ') === startCommand.join(' '))
      expect(started).toMatchObject({ user: 'nobody', cwd: '/var', exit: null })
      await b.drop(box)
    })

    it('leaves temporary files on the root if told', async () => {
      const b = bench()
      const box = await b.boot({ identity: { tmpOnRoot: true } })
      for (const dir of ['/tmp', '/var/tmp']) await box.guest.files.write(`${dir}/kept`, pieces('kept'))
      expect((await box.guest.files.stat('/tmp')).mode).toBe(0o1777)
      await box.guest.files.write('/run/lost', pieces('lost'))
      const copy = await b.boot({
        root: await b.root({ from: 'snapshot', id: await b.captureFiles(box) }),
        identity: { tmpOnRoot: true },
      })
      for (const dir of ['/tmp', '/var/tmp']) expect(await readText(copy.guest, `${dir}/kept`)).toBe('kept')
      await expect(copy.guest.files.stat('/run/lost')).rejects.toMatchObject({ code: 'guest_error' })
      await b.drop(box, copy)
    })

    it('on a root that is not there leaves nothing behind', async () => {
      const b = bench()
      const bad = b.spec(await b.root(), { rootPath: b.pool.rootPath(newId()) })
      await expect(b.runtime.start(bad)).rejects.toMatchObject({ code: 'runtime_failed' })
      expect(await b.listed(bad.id)).toBeUndefined()
    })

    it('under an id that runs already leaves the first one alone', async () => {
      const b = bench()
      const box = await b.boot()
      const again = b.spec(await b.root(), { id: box.id })
      await expect(b.runtime.start(again)).rejects.toMatchObject({ code: 'runtime_failed' })
      expect(await b.listed(box.id)).toEqual({ id: box.id, paused: false })
      expect((await (await run(box.guest, b.programs.echo('alive'))).end()).text()).toBe('alive\n')
      await b.drop(box)
    })

    it('again on the same root finds the files, not the processes', async () => {
      const b = bench()
      const box = await b.boot()
      await (await run(box.guest, b.programs.echo('x'))).end()
      await box.guest.files.write(
        '/root/kept',
        (async function* () {
          yield Buffer.from('kept')
        })(),
      )
      await box.guest.processes.start(spec(b.programs.sleep(1000), { id: 'sleeper' }))
      await box.guest.shutdown(1000)
      await b.runtime.kill(box.id)
      const second = await b.boot({ root: box.root })
      expect(await readText(second.guest, '/root/kept')).toBe('kept')
      await expect(second.guest.processes.get('sleeper')).rejects.toMatchObject({ code: 'process_not_found' })
      await b.drop(second)
    })
  })
}
