/**
 * JSON without any character beyond ASCII. Some clients decode each piece of an answer by itself, and a character whose
 * bytes are in two pieces would be lost on them.
 */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
