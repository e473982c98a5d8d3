import { describe, expect, it } from 'vitest'
import { defaultSources, hostSources } from './apt-sources.ts'

const TARGETS = [
  'http://mirror.example/debian/|bookworm|main',
  'http://mirror.example/debian/|bookworm|contrib',
  'http://mirror.example/debian/|bookworm-updates|main',
  'http://mirror.example/security/|bookworm-security|main',
  'http://mirror.example/debian/|bookworm-backports|main',
  'https://vendor.example/apt|nodistro|main',
].join('\n')

describe('sources of a suite', () => {
  it('are those of the host, without what is not of the suite', () => {
    expect(hostSources(TARGETS, 'bookworm')).toEqual([
      'deb http://mirror.example/debian/ bookworm main contrib',
      'deb http://mirror.example/debian/ bookworm-updates main',
      'deb http://mirror.example/security/ bookworm-security main',
    ])
  })

  it("are Debian's own where the host has another suite, or no apt", () => {
    expect(hostSources(TARGETS, 'trixie')).toBeNull()
    expect(hostSources('', 'trixie')).toBeNull()
    expect(defaultSources('trixie')[0]).toBe('deb http://deb.debian.org/debian trixie main')
  })
})
