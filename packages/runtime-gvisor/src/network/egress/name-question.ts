const HEADER_BYTES = 12
const TYPE_A = 1
const CLASS_IN = 1
/** Seconds that a guest may keep an answer: rules change while it runs */
const TTL = 5

export const SERVER_FAILURE = 2
export const REFUSED = 5

/** What a query asks for (RFC 1035, 4.1); lower case. */
export interface NameQuestion {
  name: string
  type: number
  /** Of header and question */
  bytes: number
}

/** `null` for what is no query with exactly one question. */
export function readQuestion(message: Buffer): NameQuestion | null {
  if (message.length < HEADER_BYTES + 5) return null
  const isResponse = (message.readUInt8(2) & 0x80) !== 0
  const opcode = (message.readUInt8(2) >> 3) & 0xf
  if (isResponse || opcode !== 0 || message.readUInt16BE(4) !== 1) return null
  const labels: string[] = []
  let at = HEADER_BYTES
  for (;;) {
    const length = message[at]
    // A question has nothing before it that a pointer could point to.
    if (length === undefined || length > 63 || at + 1 + length > message.length || labels.length > 127) return null
    at += 1
    if (length === 0) break
    labels.push(message.toString('latin1', at, at + length).toLowerCase())
    at += length
  }
  if (at + 4 > message.length) return null
  const isInternet = message.readUInt16BE(at + 2) === CLASS_IN
  return { name: isInternet ? labels.join('.') : '', type: message.readUInt16BE(at), bytes: at + 4 }
}

/**
 * That the name is at this address, for as long as it takes to connect. Of other types it has nothing: no IPv6, and no hints
 * that would take a client past the proxy.
 */
export function addressAnswer(message: Buffer, question: NameQuestion, address: string): Buffer {
  const isAddress = question.type === TYPE_A
  const answer = isAddress
    ? Buffer.from([0xc0, HEADER_BYTES, 0, TYPE_A, 0, CLASS_IN, 0, 0, 0, TTL, 0, 4, ...address.split('.').map(Number)])
    : Buffer.alloc(0)
  return Buffer.concat([head(message, question, 0, isAddress ? 1 : 0), answer])
}

export function failureAnswer(message: Buffer, question: NameQuestion, code: number): Buffer {
  return head(message, question, code, 0)
}

function head(message: Buffer, { bytes }: NameQuestion, code: number, answers: number): Buffer {
  const copy = Buffer.from(message.subarray(0, bytes))
  const recursionDesired = message.readUInt8(2) & 1
  copy.writeUInt8(0x80 | recursionDesired, 2)
  copy.writeUInt8(0x80 | code, 3)
  copy.writeUInt16BE(answers, 6)
  copy.writeUInt32BE(0, 8)
  return copy
}
