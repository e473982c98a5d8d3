import type { BuildStep } from '@spawnpoint/core'

/** Makes what E2B's clients count on in a container image from elsewhere: a `user` with a home who may become root. */
const PROVISION = `set -e
if ! id -u user >/dev/null 2>&1; then
  if command -v useradd >/dev/null; then
    useradd --create-home --shell "$(command -v bash || echo /bin/sh)" user
  else
    id=1000
    while grep -q "^[^:]*:[^:]*:$id:" /etc/passwd /etc/group; do id=$((id + 1)); done
    echo "user:x:$id:$id::/home/user:/bin/sh" >>/etc/passwd
    echo "user:x:$id:" >>/etc/group
  fi
fi
mkdir -p /home/user /etc/sudoers.d
chown user: /home/user
echo 'user ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/spawnpoint-user
chmod 0440 /etc/sudoers.d/spawnpoint-user
exit 0`

/** What comes before the steps of a template that begins with a container image. */
export const PROVISION_STEPS: readonly [BuildStep, ...BuildStep[]] = [
  { type: 'run', command: PROVISION, user: 'root' },
  { type: 'user', user: 'user' },
  { type: 'workdir', path: '/home/user' },
]
