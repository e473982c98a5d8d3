import type { AuditApi, AuditDraft, AuditFilter, Principal } from '../api.ts'
import { invalidArgument, toSpawnpointError } from '../errors.ts'
import { type AuditId, newId, type OperationId } from '../ids.ts'
import type { AuditEntry, Operation } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { LedgerTx, PageRequest } from '../ports/index.ts'

const MAX_CHARS = 200
/** Milliseconds in which one key's work in one sandbox is one entry */
const USED_MS = 3_600_000
/** Uses remembered; with more, all are forgotten, and written again */
const MAX_USED = 10_000
/** Milliseconds until uses are written, several in one transaction: nobody waits for it */
const WRITTEN_AFTER_MS = 5_000

export class Audit implements AuditApi {
  readonly #parts: Parts
  /** When each key's work in each sandbox was last noted, in epoch milliseconds */
  readonly #used = new Map<string, number>()
  #unwritten: AuditEntry[] = []
  #timer: Disposable | null = null
  #writing: Promise<void> = Promise.resolve()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async list(by: Principal, { what, ...filter }: AuditFilter, page: PageRequest) {
    for (const path of ['from', 'to'] as const)
      if (Number.isNaN(filter[path]?.getTime())) throw invalidArgument(path, 'is not a date')
    const named = what?.endsWith('.') ? { whatPrefix: what } : { what }
    return this.#parts.ledger.read.audit({ ...filter, ...named, teamId: by.teamId }, page)
  }

  /** An entry for a call that is about to be made. */
  draft(by: Principal, door: string, what: string, given: readonly unknown[]): AuditDraft {
    const [first] = given
    const entry: AuditEntry = {
      id: newId<AuditId>(),
      teamId: by.teamId,
      at: this.#parts.clock.now(),
      door,
      keyId: by.keyId,
      keyName: shown(by.keyName),
      member: shown(by.member),
      what,
      target: shown(typeof first === 'string' ? first : nameOf(first)),
      outcome: 'done',
      operationId: null,
    }
    return { entry, accepted: null }
  }

  /**
   * What is done inside a sandbox or a volume is not written down one by one: it may be thousands of commands in a minute.
   * That a key works there is, once an hour.
   */
  used(by: Principal, door: string, what: string, place: string): void {
    const now = this.#parts.clock.now().getTime()
    const use = `${by.keyId} ${door} ${place}`
    if (now - (this.#used.get(use) ?? Number.NEGATIVE_INFINITY) < USED_MS) return
    if (this.#used.size >= MAX_USED) this.#used.clear()
    this.#used.set(use, now)
    this.#unwritten.push(this.draft(by, door, what, [place]).entry)
    this.#timer ??= this.#parts.clock.after(WRITTEN_AFTER_MS, () => {
      this.#timer = null
      this.#writing = this.#writeUses()
    })
  }

  async close(): Promise<void> {
    this.#timer?.[Symbol.dispose]()
    await this.#writing
    await this.#writeUses()
  }

  async #writeUses(): Promise<void> {
    const entries = this.#unwritten
    this.#unwritten = []
    if (entries.length > 0) await this.#write(...entries)
  }

  /** After the call, unless the transaction that accepted it has written the entry. */
  async succeeded(draft: AuditDraft, result: unknown): Promise<void> {
    if (draft.accepted !== null) return
    const { entry } = draft
    await this.#write({ ...entry, target: entry.target ?? shown(idOf(result)) })
  }

  async failed({ entry, accepted }: AuditDraft, error: unknown): Promise<void> {
    const outcome = toSpawnpointError(error).code
    await this.#try([entry], async (tx) => {
      // It may be the transaction that was to accept it that has failed.
      const id = accepted?.operationId ?? null
      const operation = id === null ? null : await tx.operation(id)
      await tx.putAudit({ ...((operation && accepted) ?? entry), outcome })
    })
  }

  #write(...entries: AuditEntry[]): Promise<void> {
    return this.#try(entries, async (tx) => {
      for (const entry of entries) await tx.putAudit(entry)
    })
  }

  /** What was asked for is done, or refused, already: who asked is told that, also if it cannot be noted. */
  async #try(entries: AuditEntry[], write: (tx: LedgerTx) => Promise<void>): Promise<void> {
    try {
      await this.#parts.ledger.transact(write)
    } catch (error) {
      this.#parts.log.warn({ err: error, audit: entries }, 'calls are not in the audit log')
    }
  }
}

/** In the transaction that accepts the operation which does what was asked for. */
export async function auditAccepted(tx: LedgerTx, by: Principal, operation: Operation): Promise<void> {
  if (by.audit === undefined) return
  const { entry } = by.audit
  const accepted: AuditEntry = {
    ...entry,
    operationId: operation.id satisfies OperationId,
    target: entry.target ?? operation.sandboxId ?? operation.snapshotId ?? operation.imageId,
    outcome: 'accepted',
  }
  by.audit.accepted = accepted
  await tx.putAudit(accepted)
}

/** Printable, and no longer than an entry of a log should be. */
function shown(text: string | null | undefined): string | null {
  if (text == null) return null
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  const plain = text.replaceAll(/[\u0000-\u001f\u007f]/g, '\ufffd').toWellFormed()
  return plain.length > MAX_CHARS ? `${plain.slice(0, MAX_CHARS - 1).toWellFormed()}…` : plain
}

/** What is to be made is known by the name that it was asked to have. */
function nameOf(request: unknown): string | null {
  return textOf(request, 'name')
}

/** The id of what a call has made or changed, as the calls give it: itself, in `value`, or beside a secret. */
function idOf(result: unknown): string | null {
  return (
    textOf(result, 'id') ?? textOf(partOf(result, 'value') ?? partOf(result, 'team') ?? partOf(result, 'key'), 'id')
  )
}

function textOf(value: unknown, field: string): string | null {
  const found = partOf(value, field)
  return typeof found === 'string' ? found : null
}

function partOf(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined
}
