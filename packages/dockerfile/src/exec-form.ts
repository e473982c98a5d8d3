/** A JSON array of strings, as CMD and others may be written; `null` for anything else. */
export function execForm(text: string): string[] | null {
  if (!text.trimStart().startsWith('[')) return null
  try {
    const parsed: unknown = JSON.parse(text)
    return Array.isArray(parsed) && parsed.every((each) => typeof each === 'string') ? parsed : null
  } catch {
    return null // then it is a command for the shell, as with Docker
  }
}
