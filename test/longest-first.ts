import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take a minute and more, most of it waiting: begun late, one of them would run alone at the end. */
const LONGEST = ['/test/crash/', '/dashboard.test.ts', '/code-interpreter.test.ts', '/faulty-runsc.test.ts']

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = (file: TestSpecification) => LONGEST.some((part) => file.moduleId.includes(part))
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}
