import sax from 'sax'

const MAX_DEPTH = 16
const MAX_TEXT_CHARS = 16_384

/** No XML, or more of it than there should be. */
export class BadXml extends Error {}

/** An element that has ended: names from the outermost to its own, and the text that is directly in it. */
export interface XmlElement {
  path: string
  text: string
  attributes: Readonly<Record<string, string>>
}

/**
 * Reads a document as it comes and tells each element at its end. Entities of its own and document types are refused. Rejects
 * `BadXml`, and what reading the body rejects with.
 */
export async function readXml(body: AsyncIterable<Buffer>, tell: (element: XmlElement) => void): Promise<void> {
  const parser = sax.parser(true, { position: false })
  const open: { path: string; text: string; attributes: Record<string, string> }[] = []
  parser.onerror = (error) => {
    throw new BadXml(`no XML: ${error.message.split('\n')[0]}`)
  }
  parser.ondoctype = () => {
    throw new BadXml('it has a document type')
  }
  parser.onopentag = ({ name, attributes }) => {
    if (open.length >= MAX_DEPTH) throw new BadXml('elements within elements without an end')
    const texts = Object.entries(attributes).map(([key, value]) => [key, String(value)])
    open.push({ path: `${open.at(-1)?.path ?? ''}/${name}`, text: '', attributes: Object.fromEntries(texts) })
  }
  const add = (text: string) => {
    const element = open.at(-1)
    if (element === undefined) return
    element.text += text
    if (element.text.length > MAX_TEXT_CHARS) throw new BadXml('text without an end')
  }
  parser.ontext = add
  parser.oncdata = add
  parser.onclosetag = () => {
    const element = open.pop()
    if (element !== undefined) tell(element)
  }
  const decoder = new TextDecoder()
  for await (const piece of body) parser.write(decoder.decode(piece, { stream: true }))
  parser.write(decoder.decode()).close()
}
