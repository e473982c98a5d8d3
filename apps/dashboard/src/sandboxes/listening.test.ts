import { expect, it } from 'vitest'
import { listeningIn } from './listening.ts'

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
const line = (local: string, state: string, remote = '00000000:0000') =>
  `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  1000        0 12 1 0000000000000000 100 0 0 10 0\n`

it('finds what listens, once each, and who can reach it', () => {
  const tcp =
    HEAD + line('0100007F:1F40', '0A') + line('00000000:0050', '0A') + line('0100007F:9C40', '01', '0100007F:1F40')
  const none = '0'.repeat(32)
  const tcp6 =
    HEAD +
    line(`${none}:0050`, '0A', `${none}:0000`) +
    line(`${none.slice(0, 24)}01000000:2328`, '0A', `${none}:0000`) +
    line(`${none}:1F40`, '0A', `${none}:0000`)
  expect(listeningIn(tcp, tcp6)).toEqual([
    { port: 80, loopback: false },
    { port: 8000, loopback: false },
    { port: 9000, loopback: true },
  ])
})

it('is not led astray by what else a sandbox may show there', () => {
  expect(listeningIn('', 'rubbish', `${HEAD}  1: zz:0050 x 0A`, line('00000000:0000', '0A'))).toEqual([])
})
