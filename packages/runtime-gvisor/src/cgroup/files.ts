import { readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'

export function read(path: string): string {
  return readFileSync(path, 'utf8').trim()
}

/** `null` if the file or the group is not there. */
export function readIfThere(path: string): string | null {
  try {
    return read(path)
  } catch {
    // ENOENT, ENODEV: the group is gone, or this kernel has no such file.
    return null
  }
}

export function write(path: string, value: string | number): void {
  writeFileSync(path, String(value))
}

/** For limits that not every kernel offers. */
export function writeIfThere(path: string, value: string | number): void {
  try {
    write(path, value)
  } catch {
    // ENOENT, EOPNOTSUPP: built without; the other limits hold without it.
  }
}

/** Value behind `key` in a file of `key value` lines; 0 if absent. */
export function field(text: string | null, key: string): number {
  for (const line of (text ?? '').split('\n')) {
    const [name, value] = line.split(' ')
    if (name === key) return Number(value)
  }
  return 0
}

/** Removes a group and what it holds, children first; false if something keeps it. */
export function removeGroup(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return true
  }
  try {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) removeGroup(`${path}/${entry.name}`)
    }
    rmdirSync(path)
    return true
  } catch (error) {
    // EBUSY: a process is still on its way out; the caller tries again.
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

/** Removes a group that others may share, if nothing is in it. */
export function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path)
  } catch {
    // EBUSY, ENOTEMPTY, ENOENT: another server uses it, or removed it.
  }
}

export function subGroups(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
  } catch {
    // ENOENT: no group was ever made.
    return []
  }
}
