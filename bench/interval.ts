import { quantile } from './samples.ts'

const DRAWS = 2_000

/**
 * Between which values the ratio of two medians lies in 95 of 100 drawings of a run's rounds (a bootstrap). The two samples of
 * a round stay together, as whatever else the machine did hit both. What is the same for a whole run is not in it.
 */
export function ratioInterval(own: readonly number[], other: readonly number[]): [number, number] {
  const rounds = Math.min(own.length, other.length)
  const random = sequence()
  const ratios: number[] = []
  for (let draw = 0; draw < DRAWS; draw += 1) {
    const drawn = Array.from({ length: rounds }, () => Math.floor(random() * rounds))
    const medianOf = (samples: readonly number[]) =>
      quantile(
        drawn.map((round) => samples[round] ?? Number.NaN),
        0.5,
      )
    ratios.push(medianOf(own) / medianOf(other))
  }
  return [quantile(ratios, 0.025), quantile(ratios, 0.975)]
}

/** The same numbers each time (Park and Miller's generator), so that the same samples are told the same. */
function sequence(): () => number {
  const modulus = 2 ** 31 - 1
  let state = 1
  return () => {
    state = (state * 48_271) % modulus
    return state / modulus
  }
}
