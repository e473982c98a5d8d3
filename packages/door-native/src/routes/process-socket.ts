import { invalidArgument } from '@spawnpoint/core'
import { type AnyRoute, idParams, route } from '../route.ts'
import * as schemas from '../schemas/index.ts'

/** Documents the WebSocket, and answers those who come without asking for one. */
export function processSocketRoute(): AnyRoute {
  return route({
    method: 'GET',
    path: '/sandboxes/{id}/processes/connect',
    operationId: 'connectProcess',
    tag: 'processes',
    summary: 'WebSocket: start a process or attach to one',
    description:
      'JSON text messages control, binary messages carry bytes: from the client stdin, from the server one byte stream (1 stdout, 2 stderr, 3 pty), eight bytes offset (big-endian), then output. Without `process` the first message is `{"type":"start",…}` with the fields of `StartProcess`. Then `{"type":"resize","cols","rows"}`, `{"type":"signal","signal","group"}`, `{"type":"closeStdin"}`. The server sends `started`, `gap`, `exit` and `error`.',
    params: idParams,
    query: schemas.connectQuery,
    responses: { 101: { description: 'WebSocket' } },
    errors: ['not_found', 'wrong_state', 'stale_incarnation', 'guest_unresponsive', 'process_not_found'],
    handle: async () => {
      throw invalidArgument('Upgrade', 'Connect with a WebSocket')
    },
  })
}
