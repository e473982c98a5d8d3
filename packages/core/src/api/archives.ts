import type { Principal, Started } from '../api.ts'
import type { Labels, OperationId, Snapshot } from '../model.ts'

/** Where something is to go, and as whom. */
export interface PushRequest {
  /** As `parseImageReference` reads it; a layout or archive is made in the server's exports directory */
  reference: string
  /** As for a pull */
  registry?: string | undefined
  credentials?: { username: string; password: string } | undefined
}

export interface PullSnapshotRequest extends PushRequest {
  /** Instead of the one it had */
  name?: string | undefined
  tag?: string | undefined
  /** Added to its own */
  labels?: Labels | undefined
}

export interface PushedTo {
  /** In full */
  reference: string
  /** Of the manifest: what to pull it by, whatever its tag means later */
  digest: string
  /** Bytes of all that belongs to it, packed */
  sizeBytes: number
}

export interface ArchivesApi {
  /**
   * An image, or the files of a snapshot, as an ordinary OCI image that any container engine runs, with environment, user,
   * working directory and start command. Variables given to a sandbox do not go along: they may be secrets.
   */
  pushImage(
    by: Principal,
    ref: string,
    request: PushRequest,
  ): Promise<{ operationId: OperationId; done: Promise<PushedTo> }>
  /** A snapshot with everything that another server needs to go on from it: files, memory, agent. */
  pushSnapshot(
    by: Principal,
    ref: string,
    request: PushRequest,
  ): Promise<{ operationId: OperationId; done: Promise<PushedTo> }>
  /**
   * Takes in what `pushSnapshot` of another server put there. Before anything is transferred, rejects `incompatible` if its
   * memory cannot be restored here, and `forbidden` if it has memory and is not signed by a server that this one trusts.
   */
  pullSnapshot(by: Principal, request: PullSnapshotRequest): Promise<Started<Snapshot>>
  /** For other servers to trust what this one sends. */
  readonly publicKey: string
}
