import { type Sandbox, SpawnpointError } from 'spawnpoint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { World } from './world.ts'

let world: World
beforeAll(async () => {
  // Nothing made ahead, so that whatever runs belongs to a sandbox.
  world = await World.start({ env: { SPAWNPOINT_STANDBYS: '0' } })
})
afterAll(() => world[Symbol.asyncDispose]())

/**
 * Everything a process can hold at once: 256 MB of random memory, an open file with its offset, a listening socket, a child
 * process with its own state, a running timer. `report` tells all of it.
 */
const HOLDER = `
import hashlib, json, os, signal, socket, subprocess, sys, threading, time
block = os.urandom(1 << 20)
memory = bytearray(b''.join(hashlib.sha256(block + i.to_bytes(4, 'big')).digest() * 32768 for i in range(256)))
held = open('/home/user/held.txt', 'w+'); held.write('written before'); held.flush(); held.seek(8)
listener = socket.create_server(('127.0.0.1', 9000))
child = subprocess.Popen([sys.executable, '-u', '-c', 'import sys\\nn = 0\\nfor line in sys.stdin:\\n  n += 1\\n  print(n, flush=True)'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
ticks = 0
def tick(*_):
    global ticks
    ticks += 1
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
def report():
    child.stdin.write('x\\n'); child.stdin.flush()
    return json.dumps({'memory': hashlib.sha256(memory).hexdigest(), 'megabytes': len(memory) >> 20, 'offset': held.tell(), 'child': int(child.stdout.readline()), 'ticks': ticks, 'note': note, 'pid': os.getpid()})
note = 'fresh'
print('ready', flush=True)
while True:
    connection, _ = listener.accept()
    with connection, connection.makefile('rw') as stream:
        for line in stream:
            command, _, text = line.strip().partition(' ')
            if command == 'note': note = text; memory[0] = (memory[0] + 1) % 256
            stream.write(report() + '\\n'); stream.flush()
`

interface Report {
  memory: string
  megabytes: number
  offset: number
  child: number
  ticks: number
  note: string
  pid: number
}

/** Speaks to the holder through its socket, from inside. */
async function ask(sandbox: Sandbox, command: string): Promise<Report> {
  const script = `import socket,sys\ns=socket.create_connection(('127.0.0.1',9000)); f=s.makefile('rw'); f.write(sys.argv[1]+'\\n'); f.flush(); print(f.readline(), end='')`
  const { stdout } = await sandbox.run(['python3', '-c', script, command], { check: true })
  return JSON.parse(stdout)
}

async function startHolder(sandbox: Sandbox): Promise<void> {
  const process = await sandbox.processes.start(['python3', '-u', '-c', HOLDER])
  for await (const output of process) if (output.type === 'data' && Buffer.from(output.data).includes('ready')) return
  throw new Error('the holder ended')
}

describe('a process with memory, file, socket, child and timer', () => {
  it('goes on in three sandboxes started from a snapshot, the origin undisturbed', async () => {
    await using origin = await world.client.sandboxes.create({ image: 'base' })
    await startHolder(origin)
    const before = await ask(origin, 'report')
    expect(before).toMatchObject({ megabytes: 256, offset: 8, child: 1, note: 'fresh' })

    const snapshot = await origin.snapshot({ kind: 'memory', name: 'held' })
    expect(snapshot.state).toBe('ready')
    expect(snapshot.receipt?.memoryBytes).toBeGreaterThan(256e6)
    expect(snapshot.receipt?.standstillMs).toBeGreaterThan(0)
    const originAfter = await ask(origin, 'note of the origin')

    const spawned = await snapshot.spawn({ count: 3 })
    try {
      const reports = await Promise.all(spawned.map((sandbox) => ask(sandbox, 'report')))
      for (const report of reports) {
        expect(report).toMatchObject({ memory: before.memory, offset: 8, child: 2, note: 'fresh', pid: before.pid })
        expect(report.ticks).toBeGreaterThanOrEqual(before.ticks)
      }
      // Each has memory of its own: a change in one is seen by none of the others, nor by the origin.
      const changed = await ask(spawned[0] as Sandbox, 'note of the first')
      expect(changed.memory).not.toBe(before.memory)
      expect((await ask(spawned[1] as Sandbox, 'report')).memory).toBe(before.memory)
      expect(await ask(origin, 'report')).toMatchObject({ note: 'of the origin', memory: originAfter.memory, child: 3 })
      // The timer runs on in all of them.
      const later = await Promise.all(spawned.map((sandbox) => ask(sandbox, 'report')))
      for (const [index, report] of later.entries()) expect(report.ticks).toBeGreaterThan(reports[index]?.ticks ?? 0)
    } finally {
      for (const sandbox of spawned) await sandbox.kill()
    }
  })

  it('is as it was after a pause and a resume, and nothing runs meanwhile', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base' })
    await startHolder(sandbox)
    const before = await ask(sandbox, 'note kept')
    await sandbox.pause()
    expect(world.incarnations()).toEqual([])
    await sandbox.resume()
    expect(await ask(sandbox, 'report')).toMatchObject({
      memory: before.memory,
      note: 'kept',
      child: before.child + 1,
      offset: 8,
    })
  })
})

describe('going back', () => {
  it('rolls memory and files back in place, under the same id', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base' })
    await startHolder(sandbox)
    await sandbox.files.write('/home/user/plan', 'first')
    const snapshot = await sandbox.snapshot({ kind: 'memory' })
    await ask(sandbox, 'note changed')
    await sandbox.files.write('/home/user/plan', 'second')
    const { id } = sandbox
    await sandbox.rollback(snapshot)
    expect(sandbox.id).toBe(id)
    expect(await sandbox.files.readText('/home/user/plan')).toBe('first')
    expect((await ask(sandbox, 'report')).note).toBe('fresh')
  })

  it('starts cold from a filesystem snapshot, and from a memory snapshot’s filesystem', async () => {
    await using origin = await world.client.sandboxes.create({ image: 'base' })
    await origin.run('mkdir -p work && echo kept > work/file; sleep 1000 & echo started')
    for (const kind of ['filesystem', 'memory'] as const) {
      const snapshot = await origin.snapshot({ kind })
      await using spawned = await snapshot.spawn({ cold: kind === 'memory' })
      expect((await spawned.run('cat work/file')).stdout).toBe('kept\n')
      expect((await spawned.run('pgrep -c sleep')).stdout).toBe('0\n')
      await spawned.kill()
      await snapshot.delete({ permanent: true })
    }
  })

  it('stops with its files and starts again with them', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base' })
    await sandbox.run('echo kept > file; echo gone > /tmp/file')
    await sandbox.stop()
    await sandbox.start()
    expect((await sandbox.run('cat file; ls /tmp')).stdout).toBe('kept\n')
  })
})

describe('forks', () => {
  it('start from one instant, each with a name, a hostname and random numbers of its own', async () => {
    await using origin = await world.client.sandboxes.create({ image: 'base' })
    await origin.run('echo shared > file')
    const children = await origin.fork(3)
    try {
      const random = await Promise.all(
        [origin, ...children].map(
          async (one) => (await one.run('head -c 16 /dev/urandom | od -An -tx1; hostname; cat /etc/machine-id')).stdout,
        ),
      )
      expect(new Set(random).size).toBe(4)
      for (const child of children) expect((await child.run('cat file')).stdout).toBe('shared\n')
    } finally {
      for (const child of children) await child.kill()
    }
  })
})

describe('memory and files', () => {
  it('are of one instant, also under a program that writes all the time', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base' })
    // Before every write it checks that file, mapping and log are exactly where its memory says that it left them.
    const writer = await sandbox.processes.start([
      'python3',
      '-u',
      '-c',
      `import mmap, os, time
fd = os.open('/home/user/number', os.O_RDWR | os.O_CREAT); os.pwrite(fd, b'0' * 16, 0)
shared = mmap.mmap(os.open('/home/user/shared', os.O_RDWR | os.O_CREAT), 0) if os.path.exists('/home/user/shared') and os.path.getsize('/home/user/shared') else None
if shared is None:
    f = os.open('/home/user/shared', os.O_RDWR | os.O_CREAT); os.ftruncate(f, 4096); shared = mmap.mmap(f, 4096); shared[:16] = b'0' * 16
log = open('/home/user/log', 'ab', buffering=0)
n = 0
while True:
    text = b'%016d' % n
    state = (os.pread(fd, 16, 0), bytes(shared[:16]), os.fstat(log.fileno()).st_size)
    if state != (text, text, n * 16): print('BROKEN', n, state, flush=True); break
    n += 1
    next = b'%016d' % n
    os.pwrite(fd, next, 0); shared[:16] = next; log.write(next)
    if n % 200 == 0: print(n, flush=True)
`,
    ])
    // It writes: from here on there is something to compare.
    for await (const output of writer) if (output.type === 'data') break
    for (let round = 0; round < 3; round += 1) {
      const snapshot = await sandbox.snapshot({ kind: 'memory' })
      await using spawned = await snapshot.spawn()
      const soon = Number(await spawned.files.readText('/home/user/number')) + 500
      const copy = await spawned.processes.get(writer.id)
      let text = ''
      for await (const output of copy) {
        if (output.type === 'data') text += Buffer.from(output.data)
        if (Number(text.trim().split('\n').at(-1)) > soon || text.includes('BROKEN')) break
      }
      expect(text).not.toContain('BROKEN')
    }
  })
})

describe('a file that is deleted but open', () => {
  it('is captured, or refused with the process and the file named, and the sandbox runs on', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base' })
    const holder = await sandbox.processes.start(
      [
        'python3',
        '-u',
        '-c',
        `import os,sys
f = open('/home/user/gone', 'w+'); f.write('still here'); f.flush(); os.unlink('/home/user/gone'); print('ready')
for line in sys.stdin: f.seek(0); print(f.read())`,
      ],
      { stdin: true },
    )
    for await (const output of holder) if (output.type === 'data') break
    const outcome = await sandbox.snapshot({ kind: 'memory' }).catch((error: SpawnpointError) => error)
    if (outcome instanceof SpawnpointError) {
      expect(outcome.code).toBe('capture_refused')
      expect(outcome.context).toMatchObject({
        culprits: [{ pid: holder.pid, path: expect.stringContaining('/home/user/gone') }],
      })
    } else {
      await using spawned = await outcome.spawn()
      const copy = await spawned.processes.get(holder.id)
      await copy.write('x\n')
      let text = ''
      for await (const output of copy) {
        if (output.type === 'data') text += Buffer.from(output.data)
        if (text.includes('still here')) break
      }
      expect(text).toContain('still here')
    }
    expect((await sandbox.run('echo on')).stdout).toBe('on\n')
  })
})

describe('streams', () => {
  it('go on across a snapshot of their sandbox without a lost or doubled byte', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base' })
    const process = await sandbox.processes.start([
      'python3',
      '-u',
      '-c',
      'import time\nfor i in range(400):\n  print(i)\n  time.sleep(0.01)',
    ])
    const [result] = await Promise.all([
      process.result(),
      (async () => {
        for (const kind of ['memory', 'filesystem', 'memory'] as const) await sandbox.snapshot({ kind })
      })(),
    ])
    expect(result.stdout).toBe(Array.from({ length: 400 }, (_, i) => `${i}\n`).join(''))
  })
})
