import type { Principal, Sandbox, SpawnpointApi } from '@spawnpoint/core'
import { z } from 'zod'
import { DESTROYS, MAKES, READS, type Tool, tool } from '../tool.ts'
import { after, iso, PAGE, sandboxRef } from './fields.ts'

const MIB = 2 ** 20

export function sandboxTools(): Tool[] {
  return [
    tool({
      name: 'list_images',
      description: 'Lists the images that sandboxes can be created from.',
      input: z.object({ after }),
      annotations: READS,
      async run({ after }, { api, by }) {
        const page = await api.images.list(by, { states: ['ready'] }, { limit: PAGE, after })
        const images = page.items.map(({ id, name, sizeBytes, createdAt }) => ({
          id,
          name,
          size_mib: Math.round(sizeBytes / MIB),
          created: iso(createdAt),
        }))
        return { images, next: page.next }
      },
    }),
    tool({
      name: 'create_sandbox',
      description:
        'Creates a sandbox, an isolated Linux machine, from an image (its files) or from a snapshot (its files, and its running programs if it has memory). Takes well under a second.',
      input: z.object({
        from: z.string().min(1).max(300).default('base').describe('Name or id of an image or a snapshot'),
        name: z.string().min(1).max(128).optional().describe('To refer to it by; unique among living sandboxes'),
        timeout_seconds: z
          .number()
          .int()
          .min(1)
          .max(30 * 86_400)
          .optional()
          .describe('It ends after so long'),
        env: z.record(z.string(), z.string()).optional(),
        cpus: z.number().min(0.1).optional(),
        memory_mib: z.number().int().min(64).optional(),
        internet: z.boolean().optional().describe('false cuts it off from the network'),
      }),
      annotations: MAKES,
      async run({ from, name, timeout_seconds, env, cpus, memory_mib, internet }, { api, by }) {
        const { done } = await api.sandboxes.create(by, {
          from,
          name,
          env,
          resources: {
            ...(cpus === undefined ? {} : { cpus }),
            ...(memory_mib === undefined ? {} : { memoryBytes: memory_mib * MIB }),
          },
          network: internet === undefined ? undefined : { internet },
          timeout: timeout_seconds === undefined ? undefined : { timeoutMs: timeout_seconds * 1000 },
        })
        return shown(await done)
      },
    }),
    tool({
      name: 'list_sandboxes',
      description: 'Lists living sandboxes with their states.',
      input: z.object({ name: z.string().max(128).optional(), after }),
      annotations: READS,
      async run({ name, after }, { api, by }) {
        const page = await api.sandboxes.list(by, { name }, { limit: PAGE, after })
        return { sandboxes: page.items.map(shown), next: page.next }
      },
    }),
    tool({
      name: 'set_sandbox_state',
      description:
        'Brings a sandbox to a state: `paused` keeps memory and files on disk, `stopped` keeps the files alone, `running` goes on from either.',
      input: z.object({ sandbox: sandboxRef, state: z.enum(['running', 'paused', 'stopped']) }),
      annotations: MAKES,
      async run({ sandbox, state }, { api, by }) {
        return shown(await brought(api, by, sandbox, state))
      },
    }),
    tool({
      name: 'fork_sandbox',
      description:
        'Copies a running sandbox, with its running programs, into new sandboxes that go on from this moment, each on its own. The original runs on.',
      input: z.object({ sandbox: sandboxRef, count: z.number().int().min(1).max(20).default(1) }),
      annotations: MAKES,
      async run({ sandbox, count }, { api, by }) {
        const { done } = await api.sandboxes.fork(by, sandbox, { count, mode: 'all_or_nothing' })
        return { sandboxes: (await done).map((child) => (child.sandbox === null ? child.error : shown(child.sandbox))) }
      },
    }),
    tool({
      name: 'roll_back',
      description:
        'Puts a sandbox back to one of its snapshots under the same id: files, and running programs if the snapshot has memory. What happened since is lost; take a snapshot first to keep it.',
      input: z.object({
        sandbox: sandboxRef,
        snapshot: z.string().min(1).max(200).describe('Id or name of a snapshot of it'),
      }),
      annotations: DESTROYS,
      async run({ sandbox, snapshot }, { api, by }) {
        return shown(await (await api.sandboxes.rollback(by, sandbox, { snapshot })).done)
      },
    }),
    tool({
      name: 'delete_sandbox',
      description: 'Ends a sandbox for good. Its snapshots stay.',
      input: z.object({ sandbox: sandboxRef }),
      annotations: DESTROYS,
      async run({ sandbox }, { api, by }) {
        const { id } = await api.sandboxes.get(by, sandbox)
        await api.sandboxes.kill(by, id)
        return { deleted: id }
      },
    }),
  ]
}

async function brought(
  api: SpawnpointApi,
  by: Principal,
  ref: string,
  wanted: 'running' | 'paused' | 'stopped',
): Promise<Sandbox> {
  const sandbox = await api.sandboxes.get(by, ref)
  if (sandbox.state === wanted) return sandbox
  const { pause, resume, start, stop } = api.sandboxes
  const begun = async () => {
    if (wanted === 'paused') return pause.call(api.sandboxes, by, sandbox.id)
    if (wanted === 'stopped') return stop.call(api.sandboxes, by, sandbox.id)
    return sandbox.state === 'paused' || sandbox.state === 'resuming'
      ? resume.call(api.sandboxes, by, sandbox.id)
      : start.call(api.sandboxes, by, sandbox.id)
  }
  return (await begun()).done
}

function shown(sandbox: Sandbox) {
  return {
    id: sandbox.id,
    name: sandbox.name,
    state: sandbox.state,
    failure: sandbox.failure?.detail ?? null,
    from_snapshot: sandbox.originSnapshotId,
    forked_from: sandbox.parentSandboxId,
    created: iso(sandbox.createdAt),
    ends: iso(sandbox.expiresAt),
  }
}
