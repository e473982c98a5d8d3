import { createHash } from 'node:crypto'
import { framesOf } from './embed-origins.ts'

interface Page {
  status: number
  headers: Record<string, string>
  body: string
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:15vh auto;padding:0 1rem;color:#1c1c1c}
label,input,button{display:block;width:100%;box-sizing:border-box;font:inherit}input,button{margin:.5rem 0;padding:.5rem}
[role=alert]{color:#a40000}`

/** Asks whom a service is shared with for an API key; `then` is the origin that an answer leads to. */
export function signInPage(
  {
    redirect,
    said,
    origins,
    then,
  }: { redirect: string; said: string | null; origins: readonly string[]; then: string },
  status = 200,
): Page {
  const alert = said === null ? '' : `<p role="alert">${escaped(said)}</p>`
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sign in</title><style>${STYLE}</style><h1>Sign in</h1>${alert}
<form method="post"><label for="key">API key of the team</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<input type="hidden" name="redirect" value="${escaped(redirect)}"><button>Open the service</button></form></html>
`
  const frames = framesOf(origins)['Content-Security-Policy']
  const policy = `default-src 'none'; style-src ${hashOf(STYLE)}; form-action 'self' ${then}; ${frames}`
  return page(status, body, policy)
}

const SCRIPT = `const said = new URLSearchParams(location.hash.slice(1))
const wanted = new URLSearchParams({ token: said.get('token') ?? '', redirect: said.get('redirect') ?? '/' })
location.replace('auth?' + wanted)`

/** Takes the token out of an address's fragment, which no server is told and no log has. */
export function embedPage(): Page {
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Opening</title><script>${SCRIPT}</script></html>\n`
  return page(200, body, `default-src 'none'; script-src ${hashOf(SCRIPT)}`)
}

function page(status: number, body: string, policy: string): Page {
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy,
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    },
    body,
  }
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
