import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { findByArgument, type HostProcess } from '../host-process.ts'

/**
 * What a stand-in for runsc does at one step, once told: `hang` before doing anything or `hang-after`, each with a child
 * whose arguments do not say whose it is; `die` without a word or `die-after` having done it; `fail` in words; `lie` that it
 * did.
 */
export type Fault = 'hang' | 'hang-after' | 'die' | 'die-after' | 'fail' | 'lie'

/** A program that is runsc until it is told to be faulty at a step. */
export class FaultyRunsc {
  readonly path: string
  readonly #profile: string
  readonly #childMark: string

  constructor(dir: string, runsc: string) {
    this.path = `${dir}/runsc-fp`
    this.#profile = `${dir}/runsc-fp.profile`
    this.#childMark = `child-of-${dir}/runsc-fp`
    // exec keeps the real one's place in the process tree where nothing is wrong with it.
    const script = `#!/bin/bash
profile=$(cat ${this.#profile} 2>/dev/null)
for arg in "$@"; do case "$arg" in -*) ;; *) step=$arg; break;; esac; done
[ -n "$profile" ] && [ "\${profile%% *}" = "$step" ] || exec ${runsc} "$@"
case "\${profile##* }" in hang*) (exec -a "${this.#childMark}" sleep 3600) & ;; esac
case "\${profile##* }" in
  hang) exec -a "$*" sleep 3600;;
  hang-after) ${runsc} "$@" || exit; exec -a "$*" sleep 3600;;
  die) kill -9 $$;;
  die-after) ${runsc} "$@" || exit; kill -9 $$;;
  fail) for arg in "$@"; do case "$arg" in --log=*) echo '{"msg":"made to fail"}' >> "\${arg#--log=}";; esac; done; exit 128;;
  lie) exit 0;;
esac
`
    writeFileSync(this.path, script)
    chmodSync(this.path, 0o755)
  }

  set(step: string, fault: Fault): void {
    writeFileSync(this.#profile, `${step} ${fault}`)
  }

  /** Of those that hang or hung. */
  children(): HostProcess[] {
    return findByArgument(this.#childMark)
  }

  clear(): void {
    rmSync(this.#profile, { force: true })
  }
}
