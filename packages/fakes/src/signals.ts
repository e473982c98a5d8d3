import { guestError } from './file-view.ts'

export const SIGNALS: Record<string, number> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGWINCH: 28,
}
export const IGNORED_BY_DEFAULT = new Set(['SIGCHLD', 'SIGCONT', 'SIGWINCH'])

/** Full name of a signal given in any form; rejects `guest_error` EINVAL. */
export function signalName(signal: string | number): string {
  const name =
    typeof signal === 'number'
      ? Object.keys(SIGNALS).find((key) => SIGNALS[key] === signal)
      : signal.startsWith('SIG')
        ? signal
        : `SIG${signal}`
  if (name === undefined || !(name in SIGNALS)) throw guestError('EINVAL', String(signal))
  return name
}
