import { walk } from './walk.ts'

await walk([
  { name: 'pause', kinds: ['sandbox.pause'], run: (_w, o) => o.pause(), after: ['running', 'paused'] },
  {
    name: 'resume',
    kinds: ['sandbox.resume'],
    prepare: (o) => o.pause(),
    run: (_w, o) => o.resume(),
    after: ['paused', 'running'],
  },
  { name: 'stop', kinds: ['sandbox.stop'], run: (_w, o) => o.stop(), after: ['stopped', 'running'] },
  {
    name: 'start',
    kinds: ['sandbox.start'],
    prepare: (o) => o.stop(),
    run: (_w, o) => o.start(),
    after: ['stopped', 'running'],
  },
  { name: 'kill', kinds: ['sandbox.kill'], run: (_w, o) => o.kill(), after: ['killed', 'running'] },
])
