import type { BuildProgress } from '@spawnpoint/core'

/** Lines that begin a step of mmdebstrap, the step's name, and the share of the whole that is done by then. */
const STEPS: [begin: RegExp, step: string, at: number][] = [
  [/^I: running apt-get update/, 'update package lists', 0.02],
  [/^I: downloading packages/, 'download', 0.1],
  [/^I: extracting archives/, 'extract', 0.15],
  [/^I: installing essential packages/, 'install essential packages', 0.18],
  [/^I: installing remaining packages/, 'install packages', 0.3],
  [/^I: running --customize-hook/, 'customize', 0.95],
  [/^I: cleaning/, 'clean', 0.98],
  [/^I: success/, 'done', 1],
]

/** Makes progress out of mmdebstrap's verbose output. The fraction never falls. */
export function mmdebstrapProgress(report: (progress: BuildProgress) => void): (line: string) => void {
  let at = -1
  let packages = 0
  let steps = 0
  let fraction = 0
  return (line) => {
    const next = STEPS.findIndex(([begin]) => begin.test(line))
    if (next > at) {
      at = next
      packages = 0
      steps = 0
    }
    packages ||= Number(/(\d+) newly installed/.exec(line)?.[1] ?? 0)
    // Each package is fetched or comes out of the cache, is unpacked, and set up.
    if (/^(Unpacking|Setting up) /.test(line)) steps += 1
    const from = STEPS[at]?.[2] ?? 0
    const to = STEPS[at + 1]?.[2] ?? 1
    const within = packages > 0 ? Math.min(1, steps / (2 * packages)) : 0
    fraction = Math.max(fraction, from + (to - from) * within)
    report({ step: STEPS[at]?.[1] ?? 'prepare', fraction, line })
  }
}
