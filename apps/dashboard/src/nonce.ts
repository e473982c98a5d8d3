/** What style elements must carry that this page makes, by its policy. The server gives each page another. */
export function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="nonce"]')?.content ?? ''
}

/** Gives the nonce to every style element made by `work`, which knows nothing of nonces. */
export function givingNonce(work: () => void): void {
  const value = nonce()
  const { createElement } = document
  document.createElement = (tag: string, options?: ElementCreationOptions) => {
    const element = createElement.call(document, tag, options)
    if (tag === 'style') element.nonce = value
    return element
  }
  try {
    work()
  } finally {
    document.createElement = createElement
  }
}
