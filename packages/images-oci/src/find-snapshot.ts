import { createReadStream } from 'node:fs'
import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { runConfined } from '@spawnpoint/confined'
import {
  type ArchiveTarget,
  type BuildProgress,
  type FoundSnapshot,
  formatImageReference,
  invalidArgument,
} from '@spawnpoint/core'
import { object, parseObject, text } from './json.ts'
import type { HeldBlob, LayerCache } from './layer-cache.ts'
import { limitMet, tooLarge } from './limits.ts'
import { type Descriptor, type ImageManifest, malformed, parseManifest } from './manifest.ts'
import { zstdUnpacker } from './packing.ts'
import { openSource } from './piece-source.ts'
import { AGENT_TYPE, DESCRIPTION_TYPE, FILES_TYPE, MEMORY_TYPE, payloadOf, SIGNATURE } from './snapshot-artifact.ts'
import { removeDevices } from './unpack.ts'
import { zstdFrames } from './zstd-frames.ts'

export interface FindOptions {
  cache: LayerCache
  importsDir: string
  /** A new empty directory, removed when what was found is disposed of */
  makeWorkDir(): Promise<string>
  timeoutMs: number
  pauseMs: number
  signal: AbortSignal
}

const MAX_DESCRIPTION_BYTES = 2 ** 20
const MAX_AGENT_BYTES = 256 * 2 ** 20
/** As for the layers of an image: see `unpackLayout`. */
const FILE_RIGHTS = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETFCAP', 'MKNOD'].map((name) => `CAP_${name}`)

/** Reads the manifest and the description of a snapshot, and holds on to where the rest is. */
export async function findSnapshot(target: ArchiveTarget, options: FindOptions): Promise<FoundSnapshot> {
  await using undo = new AsyncDisposableStack()
  const workDir = await options.makeWorkDir()
  undo.defer(() => rm(workDir, { recursive: true, force: true }))
  const source = undo.use(await openSource(target, { ...options, workDir }))
  const { digest, bytes, mediaType } = await source.manifest()
  const parsed = parseManifest(bytes, mediaType)
  const name = formatImageReference(target.reference)
  if (parsed.kind !== 'image' || parsed.image.config.mediaType !== DESCRIPTION_TYPE) {
    throw invalidArgument('reference', `${name} is no snapshot of Spawnpoint; pull it as an image`)
  }
  const { config, layers } = parsed.image
  if (config.size > MAX_DESCRIPTION_BYTES) throw malformed('its description is too large')
  const held = undo.adopt(new Map<string, HeldBlob>(), (map) => {
    for (const blob of map.values()) blob[Symbol.dispose]()
  })
  const hold = async (piece: Descriptor, gained: (bytes: number) => void, signal: AbortSignal): Promise<string> => {
    const blob = held.get(piece.digest) ?? (await source.hold(piece, gained, signal))
    held.set(piece.digest, blob)
    return blob.path
  }
  const description = parseObject(await readSmall(await hold(config, () => {}, options.signal)))
  const [files, memory, agent] = piecesOf(parsed.image)
  const annotations = object(parseObject(bytes)?.annotations)
  const unpack = async (
    piece: Descriptor,
    dir: string,
    limits: { maxBytes: number; rights: string[] },
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ) => {
    const path = await hold(piece, progressOf(piece.size, report), signal)
    report({ step: 'unpack', fraction: null, line: null })
    await unpackPiece(path, dir, { ...limits, timeoutMs: options.timeoutMs }, signal)
  }
  const keep = undo.move()
  return {
    description,
    digest,
    payload: payloadOf(config, layers),
    signature: text(annotations?.[SIGNATURE]) ?? null,
    hasMemory: memory !== null,
    agentDigest: agent?.digest.slice('sha256:'.length) ?? null,
    packedBytes: layers.reduce((sum, { size }) => sum + size, 0),
    fillRoot: async (dir, report, signal) => {
      await unpack(files, dir, { maxBytes: Number.MAX_SAFE_INTEGER, rights: FILE_RIGHTS }, report, signal)
      await removeDevices(dir)
    },
    fillMemory: async (dir, maxBytes, report, signal) => {
      if (memory === null) throw malformed('it has no memory')
      await unpack(memory, dir, { maxBytes, rights: [] }, report, signal)
      await mustBePlain(dir)
    },
    agentFile: async (signal) => {
      if (agent === null || agent.size > MAX_AGENT_BYTES) throw malformed('it has no agent, or one that is none')
      return hold(agent, () => {}, signal)
    },
    [Symbol.asyncDispose]: async () => {
      await keep.disposeAsync()
      await options.cache.trim()
    },
  }
}

function piecesOf({ layers }: ImageManifest): [Descriptor, Descriptor | null, Descriptor | null] {
  const of = (type: string) => layers.filter(({ mediaType }) => mediaType === type)
  const [[files, ...moreFiles], [memory = null, ...moreMemory], [agent = null, ...moreAgents]] = [
    of(FILES_TYPE),
    of(MEMORY_TYPE),
    of(AGENT_TYPE),
  ]
  const known = 1 + (memory === null ? 0 : 1) + (agent === null ? 0 : 1)
  if (files === undefined || moreFiles.length + moreMemory.length + moreAgents.length > 0 || layers.length !== known)
    throw malformed('it has other pieces than a snapshot has')
  return [files, memory, agent]
}

async function readSmall(path: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of createReadStream(path, { end: MAX_DESCRIPTION_BYTES })) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** Unpacks with tar in a cage, from bytes that are counted on their way in. */
async function unpackPiece(
  path: string,
  dir: string,
  { maxBytes, rights, timeoutMs }: { maxBytes: number; rights: string[]; timeoutMs: number },
  signal: AbortSignal,
): Promise<void> {
  let bytes = 0
  const counted = new Transform({
    transform(piece: Buffer, _encoding, done) {
      bytes += piece.length
      done(bytes > maxBytes ? tooLarge(maxBytes) : null, piece)
    },
  })
  await runConfined({
    step: 'unpack the snapshot',
    program: 'tar',
    args: [
      ...['--extract', '--file=-', '--directory=/to', '--numeric-owner', '--same-permissions'],
      ...(rights.length > 0 ? ['--same-owner', '--xattrs', '--xattrs-include=*'] : ['--no-same-owner']),
      ...['--delay-directory-restore', '--warning=no-timestamp'],
    ],
    readable: [],
    writable: [['/to', dir]],
    capabilities: rights,
    fileBytes: maxBytes,
    timeoutMs,
    input: (stdin) =>
      pipeline(createReadStream(path), zstdFrames, zstdUnpacker(), counted, stdin, { signal }).catch(
        (error: NodeJS.ErrnoException) => {
          throw /^Z(STD)?_/.test(error.code ?? '') ? malformed(`a piece cannot be unpacked (${error.code})`) : error
        },
      ),
    signal,
  }).catch((error: unknown) => {
    throw limitMet(error, maxBytes)
  })
}

/** The runtime opens these files by name: a link would lead it elsewhere. */
async function mustBePlain(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const stat = await lstat(join(dir, name))
    if (!stat.isFile() || stat.nlink !== 1 || !/^[\w.-]{1,100}$/.test(name))
      throw malformed('its memory has something else than files')
  }
}

function progressOf(size: number, report: (progress: BuildProgress) => void): (bytes: number) => void {
  let done = 0
  let told = Number.NEGATIVE_INFINITY
  return (bytes) => {
    done += bytes
    if (done - told < 2 ** 20 && done < size) return
    told = done
    report({ step: 'download', fraction: size === 0 ? 1 : Math.min(1, done / size), line: null })
  }
}
