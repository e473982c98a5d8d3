import { readFile } from 'node:fs/promises'
import { type JsonObject, parseObject } from './json.ts'
import { checkPlatform, type Descriptor, type ImageManifest, machinePlatform, malformed } from './manifest.ts'

/** An image whose blobs are on this disk, verified, until it is disposed of. */
export interface FetchedImage extends AsyncDisposable {
  /** Of what the reference named: an index where it is one */
  digest: string
  image: ImageManifest
  /** Its config's content */
  config: JsonObject
  path(blob: Descriptor): string
}

const MAX_CONFIG_BYTES = 8 * 2 ** 20

/** Rejects `incompatible` if the image is not for this machine. Preconditions: the file is verified. */
export async function readConfig(path: string, { size }: Descriptor): Promise<JsonObject> {
  if (size > MAX_CONFIG_BYTES) throw malformed('its config is too large')
  const parsed = parseObject(await readFile(path))
  if (parsed === undefined) throw malformed('its config is not JSON')
  checkPlatform(parsed, machinePlatform())
  return parsed
}
