import { debianRoot } from './test-host.ts'

/** Once for all files: several that made it each in a hook of their own took more than the hook's time on a slow machine. */
export default function setup(): void {
  debianRoot()
}
