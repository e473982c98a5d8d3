import { randomBytes } from 'node:crypto'

/**
 * Identifiers are 24 lowercase hex characters, valid in every vendor's protocol: 4 bytes of Unix seconds,
 * 2 bytes of a counter that keeps ids of one process in order, 6 random bytes.
 */
export type Id<Kind extends string> = string & { readonly __kind: Kind }

export type TeamId = Id<'team'>
export type KeyId = Id<'key'>
export type ImageId = Id<'image'>
export type NameId = Id<'name'>
export type SandboxId = Id<'sandbox'>
export type IncarnationId = Id<'incarnation'>
export type RootId = Id<'root'>
export type SnapshotId = Id<'snapshot'>
export type ScheduleId = Id<'schedule'>
export type VolumeId = Id<'volume'>
export type RegistryId = Id<'registry'>
export type SecretId = Id<'secret'>
export type OperationId = Id<'operation'>
export type AuditId = Id<'audit'>

const ID = /^[0-9a-f]{24}$/

export function isId(text: string): boolean {
  return ID.test(text)
}

let lastSecond = 0
let counter = 0

/** Makes a new id; ids made later by one process sort later, up to 65,536 in one second. */
export function newId<T extends Id<string>>(nowMs: number = Date.now()): T {
  const second = Math.floor(nowMs / 1000)
  if (second > lastSecond) {
    lastSecond = second
    counter = 0
  } else {
    counter += 1
    if (counter > 0xffff) {
      // More ids than the counter holds in one second: borrow from the next second, order stays.
      lastSecond += 1
      counter = 0
    }
  }
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32BE(lastSecond, 0)
  bytes.writeUInt16BE(counter, 4)
  randomBytes(6).copy(bytes, 6)
  return bytes.toString('hex') as T
}
