import type {
  ApiKey,
  AuditEntry,
  FileInfo,
  Image,
  Name,
  Operation,
  ProcessExit,
  ProcessInfo,
  Registry,
  SandboxInfo,
  SandboxMetrics,
  Schedule,
  Secret,
  SnapshotInfo,
  SpawnpointEvent,
  Team,
  Volume,
} from './types.ts'
import type { Schemas } from './wire-schemas.ts'

const at = (text: string): Date => new Date(text)
const atOrNull = (text: string | null): Date | null => (text === null ? null : new Date(text))

export function toImage(wire: Schemas['Image']): Image {
  return { ...wire, createdAt: at(wire.createdAt), readyAt: atOrNull(wire.readyAt) }
}

export function toVolume(wire: Schemas['Volume']): Volume {
  return { ...wire, createdAt: new Date(wire.createdAt) }
}

export function toSecret(wire: Schemas['Secret']): Secret {
  return { ...wire, createdAt: new Date(wire.createdAt), updatedAt: new Date(wire.updatedAt) }
}

export function toRegistry(wire: Schemas['Registry']): Registry {
  return { ...wire, createdAt: at(wire.createdAt), updatedAt: at(wire.updatedAt) }
}

export function toName(wire: Schemas['Name']): Name {
  const tags = wire.tags.map((tag) => ({ ...tag, createdAt: at(tag.createdAt) }))
  return { ...wire, tags, createdAt: at(wire.createdAt) }
}

export function toSandboxInfo(wire: Schemas['Sandbox']): SandboxInfo {
  return {
    ...wire,
    createdAt: at(wire.createdAt),
    startedAt: atOrNull(wire.startedAt),
    expiresAt: atOrNull(wire.expiresAt),
    haltedAt: atOrNull(wire.haltedAt),
    endedAt: atOrNull(wire.endedAt),
  }
}

export function toSandboxMetrics(wire: Schemas['SandboxMetrics']): SandboxMetrics {
  return { ...wire, at: at(wire.at) }
}

export function toSnapshotInfo(wire: Schemas['Snapshot']): SnapshotInfo {
  return {
    ...wire,
    storage: wire.storage && { ...wire.storage, at: at(wire.storage.at) },
    checkedAt: atOrNull(wire.checkedAt),
    verifiedAt: atOrNull(wire.verifiedAt),
    createdAt: at(wire.createdAt),
    readyAt: atOrNull(wire.readyAt),
    expiresAt: atOrNull(wire.expiresAt),
    trashedAt: atOrNull(wire.trashedAt),
    purgeAt: atOrNull(wire.purgeAt),
  }
}

export function toSchedule(wire: Schemas['Schedule']): Schedule {
  const { lastTick } = wire
  return {
    ...wire,
    createdAt: at(wire.createdAt),
    lastTick: lastTick === null ? null : { ...lastTick, at: at(lastTick.at) },
    nextAt: atOrNull(wire.nextAt),
  }
}

export function toProcessExit(wire: Schemas['ProcessExit']): ProcessExit {
  return { ...wire, at: at(wire.at) }
}

export function toProcessInfo(wire: Schemas['Process']): ProcessInfo {
  return { ...wire, startedAt: at(wire.startedAt), exit: wire.exit === null ? null : toProcessExit(wire.exit) }
}

/** Permission bits are octal text on the wire. */
export function toFileInfo(wire: Schemas['File']): FileInfo {
  return { ...wire, mode: modeFromWire(wire.mode), modifiedAt: at(wire.modifiedAt) }
}

export function modeFromWire(mode: string): number {
  return Number.parseInt(mode, 8)
}

export function modeToWire(mode: number | undefined): string | undefined {
  return mode === undefined ? undefined : mode.toString(8).padStart(4, '0')
}

export function toOperation(wire: Schemas['Operation']): Operation {
  return { ...wire, createdAt: at(wire.createdAt), endedAt: atOrNull(wire.endedAt) }
}

export function toEvent(wire: Schemas['Event']): SpawnpointEvent {
  return { ...wire, at: at(wire.at) } as SpawnpointEvent
}

export function toApiKey(wire: Schemas['ApiKey']): ApiKey {
  return {
    ...wire,
    createdAt: at(wire.createdAt),
    lastUsedAt: atOrNull(wire.lastUsedAt),
    revokedAt: atOrNull(wire.revokedAt),
  }
}

export function toTeam(wire: Schemas['Team']): Team {
  return { ...wire, createdAt: at(wire.createdAt) }
}

export function toAuditEntry(wire: Schemas['AuditEntry']): AuditEntry {
  return { ...wire, at: at(wire.at) }
}
