import { link } from 'node:fs/promises'
import { join } from 'node:path'
import type { FetchedImage } from './fetched-image.ts'
import { CONFIG_TYPE, LayoutWriter, MANIFEST_TYPE, named } from './layout.ts'
import { type Descriptor, diffIds, machinePlatform, malformed } from './manifest.ts'
import { hasOddHeaders, packingOf, unpackFile } from './packing.ts'

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip'
const PLAIN = 'application/vnd.oci.image.layer.v1.tar'

/**
 * Makes in `dir` the OCI layout that umoci unpacks, from blobs that are elsewhere: the same layers under OCI's names, gzip
 * or plain, whatever Docker or zstd called and packed them. `limitBytes` bounds what is unpacked here. With `tidy` layers
 * go without the headers that umoci refuses; false if there are none in any.
 */
export async function makeLayout(
  fetched: FetchedImage,
  dir: string,
  { limitBytes, tidy = false }: { limitBytes: number; tidy?: boolean },
  signal: AbortSignal,
): Promise<boolean> {
  const layout = await LayoutWriter.make(dir)
  const ids = diffIds(fetched.config, fetched.image.layers.length)
  const layers: Descriptor[] = []
  let left = limitBytes
  let tidied = false
  for (const [index, layer] of fetched.image.layers.entries()) {
    const path = fetched.path(layer)
    const packing = await packingOf(path)
    const odd = tidy && (await hasOddHeaders(path, packing, signal))
    tidied ||= odd
    if (packing === 'zstd' || odd) {
      const plain = join(dir, 'plain')
      const { digest, kept, size } = await unpackFile(path, packing, plain, { limitBytes: left, tidy: odd }, signal)
      if (digest !== ids[index]) throw malformed(`a layer unpacks to ${digest} instead of ${ids[index]}`)
      await layout.take(plain, kept)
      left -= size
      ids[index] = kept
      layers.push({ mediaType: PLAIN, digest: kept, size })
    } else {
      await linkOnce(path, layout.path(layer.digest))
      layers.push({ ...named(layer), mediaType: packing === 'gzip' ? GZIP : PLAIN })
    }
  }
  // Of the config, what umoci needs: it is strict about fields that are of no use to it.
  const { os, architecture } = machinePlatform()
  const config = await layout.json(CONFIG_TYPE, { os, architecture, rootfs: { type: 'layers', diff_ids: ids } })
  const manifest = await layout.json(MANIFEST_TYPE, { schemaVersion: 2, config: named(config), layers })
  await layout.finish(manifest, 'image')
  return tidied
}

async function linkOnce(from: string, to: string): Promise<void> {
  await link(from, to).catch((error: NodeJS.ErrnoException) => {
    // The same layer twice.
    if (error.code !== 'EEXIST') throw error
  })
}
