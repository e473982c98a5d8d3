import { parseArgs } from 'node:util'
import type { ServerOptions } from './config.ts'

/** The server's own options on a command line, and what else stands there. Throws what `parseArgs` does. */
export function optionsOf(args: string[]): { options: ServerOptions; once: boolean; interpreter: boolean } {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args,
    options: {
      once: { type: 'boolean' },
      'with-code-interpreter': { type: 'boolean' },
      ...{ 'data-dir': text, port: text, host: text },
      ...{ domain: text, 'tls-cert': text, 'tls-key': text, 'tls-port': text },
    },
  })
  const { port, host, domain } = values
  return {
    options: {
      ...{ dataDir: values['data-dir'], port, host, domain },
      ...{ tlsCert: values['tls-cert'], tlsKey: values['tls-key'], tlsPort: values['tls-port'] },
    },
    once: values.once === true,
    interpreter: values['with-code-interpreter'] === true,
  }
}
