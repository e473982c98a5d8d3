import { isUtf8 } from 'node:buffer'
import type { ProcessOutput } from 'spawnpoint'

/** One piece of output as a line of JSON. */
export function pieceJson(piece: ProcessOutput): object {
  if (piece.type === 'gap') return piece
  const { stream, offset, data } = piece
  const encoding = isUtf8(data) ? 'utf8' : 'base64'
  return { type: 'data', stream, offset, data: Buffer.from(data).toString(encoding), encoding }
}
