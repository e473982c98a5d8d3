/** Milliseconds of one kind of work, by who did it. */
export type Samples = Record<string, number[]>

export interface Row {
  work: string
  who: string
  n: number
  medianMs: number
  /** 99th percentile; the greatest where there are fewer than 100 */
  p99Ms: number
  samplesMs: number[]
}

/** A comparison somebody asked for. */
export interface Aim {
  work: string
  who: string
  /** What it is compared with; absent for an absolute limit */
  against?: string
  /** Greatest ratio of medians, or milliseconds without `against` */
  atMost: number
}

export class Results {
  readonly #samples = new Map<string, Samples>()
  readonly #steps = new Map<string, Map<string, number[]>>()
  readonly aims: Aim[] = []

  add(work: string, who: string, ms: number): void {
    const samples = this.#samples.get(work) ?? {}
    this.#samples.set(work, samples)
    samples[who] ??= []
    samples[who].push(ms)
  }

  /** Steps of the server's own receipt. */
  steps(work: string, steps: readonly { step: string; ms: number }[]): void {
    const known = this.#steps.get(work) ?? new Map<string, number[]>()
    this.#steps.set(work, known)
    for (const { step, ms } of steps) known.set(step, [...(known.get(step) ?? []), ms])
  }

  get stepLines(): string[] {
    return [...this.#steps].map(([work, steps]) => {
      const parts = [...steps].map(([step, samples]) => `${step} ${quantile(samples, 0.5).toFixed(1)}`)
      return `${work}: ${parts.join(', ')}`
    })
  }

  aim(aim: Aim): void {
    this.aims.push(aim)
  }

  get rows(): Row[] {
    return [...this.#samples].flatMap(([work, samples]) =>
      Object.entries(samples).map(([who, samplesMs]) => ({
        work,
        who,
        n: samplesMs.length,
        medianMs: quantile(samplesMs, 0.5),
        p99Ms: quantile(samplesMs, 0.99),
        samplesMs: samplesMs.map((ms) => Math.round(ms * 1_000) / 1_000),
      })),
    )
  }
}

export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  if (share === 0.5 && sorted.length % 2 === 0) {
    return ((sorted[sorted.length / 2 - 1] ?? Number.NaN) + (sorted[sorted.length / 2] ?? Number.NaN)) / 2
  }
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/**
 * Takes turns, and begins with another one each round: what changes on the machine meanwhile hits all alike. One round
 * before the first is not counted.
 */
export async function interleave(
  rounds: number,
  sides: readonly ((counted: boolean) => Promise<void>)[],
  signal: AbortSignal,
): Promise<void> {
  for (let round = -1; round < rounds; round += 1) {
    for (let turn = 0; turn < sides.length; turn += 1) {
      signal.throwIfAborted()
      await sides[(turn + round + sides.length) % sides.length]?.(round >= 0)
    }
  }
}
