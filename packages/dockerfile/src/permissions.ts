/** What `--chmod` says. */
export interface Permissions {
  /** Of everything alike; `null` where it depends on what a file had */
  digits: number | null
  /** Those of something that had `before`. */
  of(before: number, isDirectory: boolean): number
}

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/
const CHANGE = /([-+=])([rwxXst]*|[ugo])(?=[-+=]|$)/g
const SHIFTS: Record<string, number> = { u: 6, g: 3, o: 0 }

/** `755`, or as `chmod` has them `u=rwX,go=rX`; nobody named is everybody. `null` for what is neither. */
export function permissionsOf(text: string): Permissions | null {
  if (/^0?[0-7]{3,4}$/.test(text)) {
    const digits = Number.parseInt(text, 8)
    return { digits, of: () => digits }
  }
  const clauses = text.split(',').map((each) => CLAUSE.exec(each))
  if (text.length > 200 || clauses.some((each) => each === null)) return null
  const changes = clauses.flatMap((clause) => {
    const [, who = '', all = ''] = clause ?? []
    const classes = who === '' || who.includes('a') ? 'ugo' : who
    return [...all.matchAll(CHANGE)].map(([, sign = '', what = '']) => ({ classes, sign, what }))
  })
  return {
    digits: null,
    of: (before, isDirectory) =>
      changes.reduce((mode, { classes, sign, what }) => changed(mode, classes, sign, what, isDirectory), before),
  }
}

function changed(mode: number, classes: string, sign: string, what: string, isDirectory: boolean): number {
  let next = mode
  for (const one of new Set(classes)) {
    const bits = bitsOf(mode, one, what, isDirectory)
    if (sign === '=') next &= ~ownOf(one)
    next = sign === '-' ? next & ~bits : next | bits
  }
  // The sticky bit is nobody's own.
  if (what.includes('t') && classes === 'ugo') next = sign === '-' ? next & ~0o1000 : next | 0o1000
  else if (sign === '=' && classes === 'ugo') next &= ~0o1000
  return next
}

/** All that is one's own: the three, and the bit that runs programs as user or group. */
function ownOf(one: string): number {
  return (0o7 << (SHIFTS[one] ?? 0)) | setIdOf(one)
}

function setIdOf(one: string): number {
  return one === 'u' ? 0o4000 : one === 'g' ? 0o2000 : 0
}

function bitsOf(mode: number, one: string, what: string, isDirectory: boolean): number {
  const shift = SHIFTS[one] ?? 0
  const copied = SHIFTS[what]
  if (copied !== undefined) return ((mode >> copied) & 0o7) << shift
  let bits = 0
  if (what.includes('r')) bits |= 0o4
  if (what.includes('w')) bits |= 0o2
  // X is for directories, and what somebody may execute already.
  if (what.includes('x') || (what.includes('X') && (isDirectory || (mode & 0o111) !== 0))) bits |= 0o1
  return (bits << shift) | (what.includes('s') ? setIdOf(one) : 0)
}
