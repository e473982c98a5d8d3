/** Characters of output that are shown: a browser does not take any amount. */
const MOST = 256 * 1024

const [ESC, BEL] = ['\u001b', '\u0007']
/** What terminals are told with: sequences, titles, single letters, and characters that are none. */
const CONTROL = new RegExp(
  `${ESC}(?:\\[[0-?]*[ -/]*[@-~]|\\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\\\)?|[@-Z\\\\-_])|[^\\P{Cc}\\n\\t]`,
  'gu',
)

/** Without colours and cursor movements. */
export function plainText(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(CONTROL, '')
}

/** The end of it all, from the beginning of a line. */
export function appended(old: string, more: string): string {
  const all = old + more
  if (all.length <= MOST) return all
  const cut = all.slice(-MOST)
  return cut.slice(cut.indexOf('\n') + 1)
}
