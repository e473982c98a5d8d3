/** Colours only for people: a terminal, and no wish to the contrary (https://no-color.org). */
export function wantsColor(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
}

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const
export type Color = keyof typeof CODES
export type Paint = (color: Color, text: string) => string

export function painter(enabled: boolean): Paint {
  return (color, text) => (enabled && text !== '' ? `\u001b[${CODES[color]}m${text}\u001b[0m` : text)
}

/** What people want to see at a glance: does it run, is it under way, is it broken. */
export function colorOfState(state: string): Color {
  if (state === 'running' || state === 'ready' || state === 'done') return 'green'
  if (state === 'failed') return 'red'
  return /^(paused|stopped|killed)$/.test(state) ? 'dim' : 'yellow'
}
