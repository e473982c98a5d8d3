import type { Descriptor } from './manifest.ts'

/** Media types of a snapshot as an OCI artifact; docs/snapshot-format.md describes it. */
export const ARTIFACT_TYPE = 'application/vnd.spawnpoint.snapshot.v1'
export const DESCRIPTION_TYPE = 'application/vnd.spawnpoint.snapshot.description.v1+json'
export const FILES_TYPE = 'application/vnd.spawnpoint.snapshot.files.v1.tar+zstd'
export const MEMORY_TYPE = 'application/vnd.spawnpoint.snapshot.memory.v1.tar+zstd'
export const AGENT_TYPE = 'application/vnd.spawnpoint.snapshot.agent.v1'
export const SIGNATURE = 'dev.spawnpoint.snapshot.signature'

/** What is signed: the description and every piece, by media type and digest, in the manifest's order. */
export function payloadOf(description: Descriptor, pieces: Descriptor[]): Buffer {
  const lines = [description, ...pieces].map(({ mediaType, digest, size }) => `${mediaType} ${digest} ${size}`)
  return Buffer.from([ARTIFACT_TYPE, ...lines, ''].join('\n'))
}
