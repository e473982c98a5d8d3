import type { BaseSource, ImageDefaults } from '@spawnpoint/core'

export interface KnownImage {
  name: string
  source: BaseSource & { type: 'debian' }
  defaults: ImageDefaults
}

/**
 * The image that a new server builds for itself: what agents and their users reach for first, and small enough to be
 * built in half a minute. npm (400 small packages of Debian's) is in it all the same: without it nodejs is of little use.
 */
export const BASE_IMAGE: { name: string; source: BaseSource & { type: 'debian' }; defaults: ImageDefaults } = {
  name: 'base',
  source: {
    type: 'debian',
    suite: 'bookworm',
    packages: [
      // A shell to work in
      ...['bash', 'coreutils', 'findutils', 'procps', 'psmisc', 'less', 'vim-tiny', 'sudo', 'tzdata', 'file', 'lsof'],
      ...['ncurses-base', 'ncurses-bin', 'unzip', 'zip', 'xz-utils', 'rsync', 'jq', 'attr'],
      // Network; libnss-myhostname lets every clone resolve its own name, which sudo asks for
      ...[
        'iproute2',
        'iputils-ping',
        'netbase',
        'ca-certificates',
        'curl',
        'wget',
        'openssh-client',
        'libnss-myhostname',
      ],
      // Languages
      ...['git', 'build-essential', 'python3', 'python-is-python3', 'python3-pip', 'python3-venv', 'nodejs', 'npm'],
    ],
  },
  defaults: {
    env: { LANG: 'C.UTF-8', PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    user: 'user',
    workdir: '/home/user',
    startCommand: [],
  },
}
