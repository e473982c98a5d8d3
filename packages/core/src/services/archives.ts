import type { ArchivesApi, Principal, PushedTo, PushRequest } from '../api.ts'
import { invalidArgument, SpawnpointError } from '../errors.ts'
import { newId, type RootId } from '../ids.ts'
import { type ImageReference, parseImageReference } from '../image-reference.ts'
import type { Operation } from '../model.ts'
import { archivePush, type PushDetail, pushedBy } from '../operations/archive-push.ts'
import { newOperation, type OperationRunner } from '../operations/runner.ts'
import type { Parts } from '../parts.ts'
import type { RegistryAccess } from '../ports/index.ts'
import { checkPassword, checkUsername } from './checks.ts'
import { begunBefore, tie } from './idempotency.ts'
import { findSource } from './refs.ts'
import type { Registries } from './registries.ts'

export class Archives implements ArchivesApi {
  readonly #parts: Parts
  readonly #runner: OperationRunner
  readonly #registries: Registries

  constructor(parts: Parts, runner: OperationRunner, registries: Registries) {
    this.#parts = parts
    this.#runner = runner
    this.#registries = registries
  }

  async pushImage(by: Principal, ref: string, request: PushRequest) {
    const begun = begunBefore(by, 'archive.push')
    if (begun !== null) return this.#begun(begun)
    const target = parseImageReference(request.reference, 'reference')
    checkTarget(target)
    const access = await this.#access(by, target, request)
    const source = await findSource(this.#parts.ledger.read, by.teamId, ref)
    const origin = 'image' in source ? source.image : source.snapshot
    const from = 'image' in source ? 'image' : 'snapshot'
    const operation = newOperation(this.#parts, {
      teamId: by.teamId,
      kind: 'archive.push',
      phase: 'pushing',
      // A snapshot that an operation names is not deleted before it has ended.
      snapshotId: 'snapshot' in source ? source.snapshot.id : null,
      imageId: 'image' in source ? source.image.id : null,
      detail: {
        source: { from, id: origin.id } as PushDetail['source'],
        defaults: origin.defaults,
        labels: origin.labels,
        createdAt: origin.createdAt.toISOString(),
        rootId: newId<RootId>(),
        target,
      } satisfies PushDetail,
    })
    await this.#parts.ledger.transact(async (tx) => {
      const now = 'image' in source ? await tx.lockImage(source.image.id) : await tx.lockSnapshot(source.snapshot.id)
      if (now?.state !== 'ready') throw notReady(from, origin.id, now?.state ?? 'gone')
      await tx.putOperation(operation)
      await tie(tx, by, operation)
    })
    return this.#runner.launch(archivePush(access), operation)
  }

  #begun(operation: Operation): { operationId: Operation['id']; done: Promise<PushedTo> } {
    const pushed = pushedBy(operation)
    if (pushed === null) throw new Error(`operation ${operation.id} has ended without an outcome`)
    return { operationId: operation.id, done: Promise.resolve(pushed) }
  }

  /** As whom the place is written to: as for a pull. */
  async #access(
    by: Principal,
    target: ImageReference,
    { registry, credentials }: PushRequest,
  ): Promise<RegistryAccess | null> {
    if (credentials !== undefined) {
      if (registry !== undefined) throw invalidArgument('credentials', 'give either them or a registry')
      checkUsername('credentials.username', credentials.username)
      checkPassword('credentials.password', credentials.password)
      return credentials
    }
    if (target.transport === 'registry') {
      return (await this.#registries.accessTo(by, target, registry))?.access ?? null
    }
    if (registry !== undefined) throw invalidArgument('registry', 'the target is not in one')
    return null
  }
}

function checkTarget(target: ImageReference): void {
  if (target.transport === 'registry' && target.digest !== null)
    throw invalidArgument('reference', 'a digest cannot be chosen; give a tag')
}

function notReady(resource: 'image' | 'snapshot', id: string, state: string): SpawnpointError<'wrong_state'> {
  const context = { resource, id, state, request: 'push' } as const
  return new SpawnpointError('wrong_state', `The ${resource} is ${state}`, context)
}
