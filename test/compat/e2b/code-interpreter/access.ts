import { Sandbox, SandboxError, TimeoutError } from '@e2b/code-interpreter'
import { Sandbox as Plain } from 'e2b'
import { describe, expect, it } from 'vitest'
import { until } from '../../vendor-world.ts'
import { result, sandbox, vendor } from './shared.ts'

export function accessTests(): void {
  describe('who is let in', () => {
    it('has the token of the sandbox', async () => {
      const post = (token?: string) =>
        fetch(`${vendor.addressOf(sandbox, 49999)}/execute`, {
          method: 'POST',
          headers: token === undefined ? {} : { 'x-access-token': token },
          body: '{"code":"1"}',
        })
      expect((await post()).status).toBe(401)
      expect((await post('0'.repeat(64))).status).toBe(401)
    })

    it('needs an image with an interpreter', async () => {
      const plain = await Plain.create('base')
      const connected = await Sandbox.connect(plain.sandboxId)
      await expect(connected.runCode('1')).rejects.toThrow(SandboxError)
      await expect(connected.runCode('1')).rejects.toThrow('code-interpreter-v1')
      await plain.kill()
    })

    it('is told when the sandbox is killed meanwhile', async () => {
      const killed = await Sandbox.create()
      await result('1', {}, killed)
      const running = killed.runCode('import time, pathlib\npathlib.Path("/tmp/runs").touch()\ntime.sleep(600)')
      const failed = running.then(
        () => null,
        (error: unknown) => error,
      )
      await until(async () => (await vendor.run(killed, 'ls /tmp')).includes('runs'))
      await killed.kill()
      expect(await failed).toBeInstanceOf(TimeoutError)
    })
  })
}
