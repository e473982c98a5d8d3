import type { Asker } from './asker.ts'

const TOKEN_SECONDS = 3_600

/** What a service gives out, and how long it is good for in milliseconds. */
export interface Given<T> {
  value: T
  forMs: number
}

/** Asks an OAuth token service (RFC 6749, 5) with a form. Rejects an `Error` where it gives no token. */
export async function tokenOf(
  asker: Pick<Asker, 'post'>,
  url: string,
  form: Record<string, string>,
): Promise<Given<string>> {
  const { access_token: token, expires_in: seconds } = fieldsOf(await postForm(asker, url, form))
  return { value: checkedToken(token), forMs: secondsOf(seconds) * 1000 }
}

export function postForm(asker: Pick<Asker, 'post'>, url: string, form: Record<string, string>): Promise<string> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return asker.post(url, headers, new URLSearchParams(form).toString())
}

/** As it may stand in a header. */
export function checkedToken(token: unknown): string {
  if (typeof token !== 'string' || !/^[\x21-\x7e]{1,16384}$/.test(token)) throw new Error('it answers no token')
  return token
}

export function fieldsOf(json: string): Record<string, unknown> {
  const value: unknown = JSON.parse(json)
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function secondsOf(value: unknown): number {
  const seconds = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  return typeof seconds === 'number' && Number.isFinite(seconds) ? seconds : TOKEN_SECONDS
}
