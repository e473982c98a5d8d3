import { Sandbox } from '@e2b/code-interpreter'
import { Sandbox as NovitaInterpreter } from 'novita-sandbox/code-interpreter'
import { describe, expect, it } from 'vitest'
import { result, vendor } from './shared.ts'

describe('Jupyter', () => {
  it('runs already in a new sandbox, whose random numbers are its own', async () => {
    const code = 'import random, numpy\n[random.random(), numpy.random.rand()]'
    const sandboxes = await Promise.all([1, 2].map(() => Sandbox.create()))
    const before = await Promise.all(sandboxes.map((one) => vendor.run(one, 'pgrep -fc [i]pykernel_launcher')))
    expect(before).toEqual(['1', '1'])
    const [first, second] = await Promise.all(sandboxes.map((one) => result(code, {}, one)))
    expect(first).toMatch(/^\[0\.\d+, 0\.\d+\]$/)
    expect(first).not.toBe(second)
    for (const one of sandboxes) await one.kill()
  })

  it('is started on first use where it does not, and where the sandbox has booted anew', async () => {
    const plain = await Sandbox.create('code-interpreter-packages')
    const texts = await Promise.all([1, 2, 3].map((n) => result(`${n}`, {}, plain)))
    expect(texts).toEqual(['1', '2', '3'])
    await plain.kill()

    const rebooted = await Sandbox.create()
    await result('lost = 1', {}, rebooted)
    await rebooted.pause({ keepMemory: false })
    await rebooted.connect()
    expect((await rebooted.runCode('lost')).error?.name).toBe('NameError')
    expect(await vendor.run(rebooted, 'pgrep -fc ^/usr/bin/python3.*[j]upyter-server')).toBe('1')
    await rebooted.kill()
  })
})

describe("Novita's, which needs a domain", () => {
  it('runs code in contexts', async () => {
    vendor.by('tls')
    const sandbox = await NovitaInterpreter.create()
    const context = await sandbox.createCodeContext({ cwd: '/tmp' })
    await sandbox.runCode('x = 20', { context })
    const { text, logs } = await sandbox.runCode('print("größe")\nx + 1', { context })
    expect([text, logs.stdout.join('')]).toEqual(['21', 'größe\n'])
    expect((await sandbox.listCodeContexts()).map(({ id }) => id)).toContain(context.id)
    await sandbox.restartCodeContext(context)
    expect((await sandbox.runCode('x', { context })).error?.name).toBe('NameError')
    await sandbox.removeCodeContext(context)
    const { snapshotId } = await sandbox.createSnapshot()
    await sandbox.runCode('y = 1')
    const clone = await NovitaInterpreter.create(snapshotId)
    expect((await clone.runCode('y')).error?.name).toBe('NameError')
    for (const one of [sandbox, clone]) await one.kill()
  })
})
