import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { SignatureV4 } from '@smithy/signature-v4'

export interface AwsKeys {
  accessKeyId: string
  secretAccessKey: string
  /** Of a session of a role */
  sessionToken?: string
}

/** What is signed of a request. */
export interface AwsRequest {
  method: string
  /** As the request line has it, encoded */
  path: string
  /** Decoded */
  query: Record<string, string[]>
  /** In lower case; all of them are signed, `host` and `x-amz-content-sha256` are among them */
  headers: Record<string, string>
}

/** S3 signs paths as they are; the others encode them once more. */
const PLAIN_PATHS = ['s3', 's3-object-lambda', 's3-outposts', 's3express']

/** The headers of a request with a Signature Version 4: those that it has, `authorization`, `x-amz-date`, and `x-amz-security-token` of a session. */
export async function awsSignature(
  { method, path, query, headers }: AwsRequest,
  { region, service }: { region: string; service: string },
  keys: AwsKeys,
  now: Date = new Date(),
): Promise<Record<string, string>> {
  const signer = new SignatureV4({
    service,
    region,
    credentials: keys,
    sha256: NodeHash,
    uriEscapePath: !PLAIN_PATHS.includes(service),
    applyChecksum: true,
  })
  const request = { method, protocol: 'https:', hostname: headers.host ?? '', path, query, headers }
  return (await signer.sign(request, { signingDate: now })).headers
}

/** As the library wants to have it. */
class NodeHash {
  readonly #secret: Uint8Array | string | undefined
  #hash: Hash | Hmac

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret === undefined || typeof secret === 'string' ? secret : bytesOf(secret)
    this.#hash = this.#begin()
  }

  update(data: Uint8Array | string): void {
    this.#hash.update(data)
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {
    this.#hash = this.#begin()
  }

  #begin(): Hash | Hmac {
    return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret)
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)
}
