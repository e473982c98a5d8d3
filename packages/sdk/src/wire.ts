import type {
  ApiKey,
  FileInfo,
  Image,
  Operation,
  ProcessExit,
  ProcessInfo,
  SandboxInfo,
  SnapshotInfo,
  SpawnpointEvent,
} from './types.ts'

/** How a type of ours looks in JSON. */
export type Wire<T> = T extends Date
  ? string
  : T extends (infer U)[]
    ? Wire<U>[]
    : T extends object
      ? { [K in keyof T]: Wire<T[K]> }
      : T

const at = (text: string): Date => new Date(text)
const atOrNull = (text: string | null): Date | null => (text === null ? null : new Date(text))

export function toImage(wire: Wire<Image>): Image {
  return { ...wire, createdAt: at(wire.createdAt), readyAt: atOrNull(wire.readyAt) }
}

export function toSandboxInfo(wire: Wire<SandboxInfo>): SandboxInfo {
  return {
    ...wire,
    createdAt: at(wire.createdAt),
    startedAt: atOrNull(wire.startedAt),
    expiresAt: atOrNull(wire.expiresAt),
    endedAt: atOrNull(wire.endedAt),
  }
}

export function toSnapshotInfo(wire: Wire<SnapshotInfo>): SnapshotInfo {
  return {
    ...wire,
    createdAt: at(wire.createdAt),
    readyAt: atOrNull(wire.readyAt),
    expiresAt: atOrNull(wire.expiresAt),
  }
}

export function toProcessExit(wire: Wire<ProcessExit>): ProcessExit {
  return { ...wire, at: at(wire.at) }
}

export function toProcessInfo(wire: Wire<ProcessInfo>): ProcessInfo {
  return { ...wire, startedAt: at(wire.startedAt), exit: wire.exit === null ? null : toProcessExit(wire.exit) }
}

/** Permission bits are octal text on the wire. */
export function toFileInfo(wire: Omit<Wire<FileInfo>, 'mode'> & { mode: string }): FileInfo {
  return { ...wire, mode: Number.parseInt(wire.mode, 8), modifiedAt: at(wire.modifiedAt) }
}

export function modeToWire(mode: number | undefined): string | undefined {
  return mode === undefined ? undefined : mode.toString(8).padStart(4, '0')
}

export function toOperation(wire: Wire<Operation>): Operation {
  return { ...wire, createdAt: at(wire.createdAt), endedAt: atOrNull(wire.endedAt) }
}

export function toEvent(wire: Wire<SpawnpointEvent>): SpawnpointEvent {
  return { ...wire, at: at(wire.at) } as SpawnpointEvent
}

export function toApiKey(wire: Wire<ApiKey>): ApiKey {
  return {
    ...wire,
    createdAt: at(wire.createdAt),
    lastUsedAt: atOrNull(wire.lastUsedAt),
    revokedAt: atOrNull(wire.revokedAt),
  }
}
