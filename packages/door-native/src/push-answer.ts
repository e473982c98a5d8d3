import type { ErrorCode, OperationId, PushedTo, SpawnpointApi } from '@spawnpoint/core'
import { operationLocation, wantsAsync } from './answers.ts'
import type { Call } from './route.ts'
import { operationJson } from './translate.ts'

export const PUSH_ERRORS = [
  ...(['not_found', 'wrong_state', 'forbidden', 'rate_limited', 'disk_full'] as const),
  ...(['runtime_failed', 'unavailable', 'timeout'] as const),
] satisfies ErrorCode[]

/** What was pushed where, or the operation for who does not wait. */
export async function pushAnswer(
  call: Call<unknown, { wait?: boolean | undefined }>,
  api: SpawnpointApi,
  { operationId, done }: { operationId: OperationId; done: Promise<PushedTo> },
) {
  if (wantsAsync(call)) {
    const operation = await api.operations.get(call.by, operationId)
    return { status: 202 as const, body: operationJson(operation), headers: operationLocation(operationId) }
  }
  return { status: 200 as const, body: await done, headers: { 'spawnpoint-operation': operationId } }
}
