import { endedOf, type LongOptions } from './push.ts'
import type { Transport } from './transport.ts'
import type { Drill } from './types.ts'
import type { Schemas } from './wire-schemas.ts'

/** Resolves when it has ended; what was found is in the snapshot. */
export async function verify(
  transport: Transport,
  id: string,
  how: 'check' | 'drill',
  request: Drill | undefined,
  options: LongOptions,
): Promise<void> {
  const { answer } = await transport.exchange<Schemas['Snapshot']>({
    method: 'POST',
    path: `/v1/snapshots/${id}/${how}`,
    query: { wait: false },
    ...(request && { json: request satisfies Schemas['DrillSnapshot'] }),
    signal: options.signal,
  })
  await endedOf(transport, answer, options)
}
