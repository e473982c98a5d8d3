import type { Principal } from '../api.ts'
import type { OperationId } from '../model.ts'

/** Where something is to go, and as whom. */
export interface PushRequest {
  /** As `parseImageReference` reads it; a layout or archive is made in the server's exports directory */
  reference: string
  /** As for a pull */
  registry?: string | undefined
  credentials?: { username: string; password: string } | undefined
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
}
