/** A process as an agent tells of it. */
export const info = {
  id: 'p',
  pid: 7,
  args: ['x'],
  cwd: '/',
  user: 'root',
  tag: null,
  pty: false,
  startedAtMs: 1,
  exit: null,
}
