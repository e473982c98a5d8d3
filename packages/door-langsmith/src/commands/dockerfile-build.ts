import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { Guest, Image, Principal, SpawnpointApi } from '@spawnpoint/core'
import { invalidArgument } from '@spawnpoint/core'
import type { Log } from '@spawnpoint/door-kit'
import { OWN } from '../labels.ts'
import { shellWords } from './shell-words.ts'

/** What clients call an image that they have had built in a box, with a number of its own. */
export const BUILT_NAME = 'langsmith-snapshot-build'
const BUILT = new RegExp(`^${BUILT_NAME}:([0-9a-f]{32})$`)
const WHERE = /^\/var\/lib\/langsmith-build\/[0-9a-f]{1,64}$/
/** Milliseconds between two looks at a build */
const LOOK_MS = 250
/** Looks of the script, five a second, without a sign of the server until it gives up */
const PATIENCE = 300

/** A Dockerfile that a client wants built by the programs that its own server has in a box. */
export interface AskedBuild {
  /** Directory in the box with the archive `context.tar`, which the client has sent there */
  where: string
  dockerfile: string
  number: string
  target: string | null
  buildArgs: Record<string, string>
}

/**
 * What `createSnapshotFromDockerfile` of the clients runs in its box: a script that starts BuildKit and has it put the image
 * into Docker there. `null` for any other command.
 */
export function askedBuild(command: string): AskedBuild | null {
  if (!command.includes(BUILT_NAME)) return null
  const line = command.split('\n').find((each) => /^'?buildctl'? .* '?build'? .* \| docker load$/.test(each))
  const words = line === undefined ? [] : shellWords(line)
  const options = (name: string) => words.flatMap((word, at) => (words[at - 1] === name ? [word] : []))
  const named = (name: string, key: string) =>
    options(name).flatMap((each) => (each.startsWith(`${key}=`) ? [each.slice(key.length + 1)] : []))
  const [context = ''] = named('--local', 'context')
  const [dir = ''] = named('--local', 'dockerfile')
  const [file = ''] = named('--opt', 'filename')
  const [output = ''] = options('--output')
  const where = context.replace(/\/context$/, '')
  const [, number = ''] = BUILT.exec(output.replace(/^type=docker,name=/, '')) ?? []
  const dockerfile = `${dir}/${file}`.slice(context.length + 1)
  if (!WHERE.test(where) || number === '' || !`${dir}/`.startsWith(`${context}/`) || file === '') return null
  const args = options('--opt').flatMap((each) => {
    const [, name, value] = /^build-arg:([^=]+)=([\s\S]*)$/.exec(each) ?? []
    return name === undefined || value === undefined ? [] : [[name, value]]
  })
  return {
    where,
    dockerfile,
    number,
    target: named('--opt', 'target')[0] ?? null,
    buildArgs: Object.fromEntries(args),
  }
}

/** The number of the image that a capture names; `null` if it names none of ours. */
export function builtNumber(dockerImage: unknown): string | null {
  return typeof dockerImage === 'string' ? (BUILT.exec(dockerImage)?.[1] ?? null) : null
}

/**
 * Begins the build here, where Dockerfiles are built without Docker, and gives a script to run in the place of the client's:
 * it prints what the build says, which is put into files beside it, and ends as the build does.
 */
export async function beginBuild(
  api: SpawnpointApi,
  by: Principal,
  guest: Guest,
  asked: AskedBuild,
  log: Log,
): Promise<string> {
  const { where, dockerfile, number, target, buildArgs } = asked
  const key = `langsmith-dockerfile:${number}`
  const dir = `${where}/build`
  await api.idempotency.once(by, key, key, async (tied) => {
    const blob = `langsmith:${number}`
    const { body } = await guest.files.read(`${where}/context.tar`)
    await api.blobs.put(by, blob, Readable.from(body, { objectMode: false }))
    await guest.files.mkdir(dir, { parents: true })
    for (const name of ['log', 'alive']) await guest.files.write(`${dir}/${name}`, some(''))
    const { value } = await api.images.build(tied, {
      name: BUILT_NAME,
      tags: [number],
      source: {
        type: 'dockerfile',
        path: dockerfile,
        context: blob,
        buildArgs,
        ...(target === null ? {} : { target }),
      },
      labels: { [OWN.description]: 'Built for a snapshot that is about to be taken' },
    })
    tell(api, by, guest, dir, value).catch((error: unknown) => {
      // The script notices that nobody tells it anything, and gives up; the build goes on.
      log.warn({ err: error, image: value.id }, 'what a build says does not reach its box')
    })
    return { status: 202, body: value.id }
  })
  return script(dir)
}

/** Puts what the build says where the script looks, until it is over. */
async function tell(api: SpawnpointApi, by: Principal, guest: Guest, dir: string, { id }: Image): Promise<void> {
  for (let offset = 0, looks = 0; ; looks += 1) {
    const { state } = await api.images.get(by, id)
    const entries = await api.images.log(by, id, { offset, limit: 1_000 })
    offset += entries.length
    const lines = entries.map(({ step, message }) => `${step === null ? '' : `${step} `}${message}\n`)
    if (lines.length > 0) await guest.files.write(`${dir}/log`, some(lines.join('')), { append: true })
    if (entries.length === 1_000) continue
    if (state !== 'building') {
      await guest.files.write(`${dir}/status`, some(state === 'ready' ? '0' : '1'))
      return
    }
    await guest.files.write(`${dir}/alive`, some(String(looks)))
    await pause(LOOK_MS)
  }
}

async function* some(text: string): AsyncGenerator<Buffer> {
  if (text !== '') yield Buffer.from(text)
}

function script(dir: string): string {
  return `cd ${dir} || exit 1
shown=0 still=0 last=
while :; do
  over=; [ -f status ] && over=$(cat status)
  size=$(wc -c < log)
  if [ "$size" -gt "$shown" ]; then
    tail -c "+$((shown + 1))" log | head -c "$((size - shown))"
    shown=$size
  fi
  [ -n "$over" ] && exit "$over"
  alive=$(cat alive)
  if [ "$alive" = "$last" ]; then still=$((still + 1)); else still=0 last=$alive; fi
  if [ "$still" -gt ${PATIENCE} ]; then echo 'The server tells nothing more of the build' >&2; exit 1; fi
  sleep 0.2
done
`
}

/** The image that a capture is of. Rejects `invalid_argument` if it is not built. */
export async function builtImage(api: SpawnpointApi, by: Principal, number: string): Promise<Image> {
  const { items } = await api.images.list(by, { name: BUILT_NAME, states: ['ready'] }, { limit: 500 })
  const tags = await api.names.tagsOf(
    by,
    items.map(({ id }) => id),
  )
  const id = tags.find(({ tag }) => tag.tag === number)?.tag.imageId
  const found = items.find((image) => image.id === id)
  if (found === undefined) throw invalidArgument('body.docker_image', 'no such image was built here')
  return found
}
