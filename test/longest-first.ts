import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Files that take half a minute and more, most of it waiting: begun late, one of them would run alone at the end. By itself vitest
 * begins with the largest, and suites that several drivers pass are in the smallest of all.
 */
const LONGEST = [
  ...['/test/crash/', '/dashboard.test.ts', '/code-interpreter.test.ts'],
  ...['/debian-image-builder.test.ts', '/faulty-runsc.test.ts', '/runtime-gvisor/src/contract.test.ts'],
  ...['/restart.test.ts', '/capture.test.ts', '/pool-btrfs/src/contract.test.ts', '/durability.test.ts'],
]

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = (file: TestSpecification) => LONGEST.some((part) => file.moduleId.includes(part))
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}
