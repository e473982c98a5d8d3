export interface Lines {
  vendor: string
  language: 'shell' | 'JavaScript' | 'TypeScript'
  text: string
}

/** What makes each vendor's own client, unchanged, one of this server; as in docs/doors. */
export function linesFor(url: string, key: string): Lines[] {
  const hex = key.replace(/^[a-z]+_/, '')
  return [
    {
      vendor: 'Spawnpoint',
      language: 'TypeScript',
      text: `import { Spawnpoint } from 'spawnpoint'\nconst client = new Spawnpoint({ url: '${url}', apiKey: '${key}' })`,
    },
    { vendor: 'Command line', language: 'shell', text: `export SPAWNPOINT_URL=${url} SPAWNPOINT_API_KEY=${key}` },
    {
      vendor: 'E2B',
      language: 'shell',
      text: `export E2B_API_URL=${url}/e2b E2B_SANDBOX_URL=${url}\nexport E2B_API_KEY=e2b_${hex}`,
    },
    {
      vendor: 'Novita',
      language: 'shell',
      text: `export NOVITA_API_URL=${url}/novita NOVITA_SANDBOX_URL=${url}\nexport NOVITA_API_KEY=${key}`,
    },
    {
      vendor: 'LangSmith',
      language: 'shell',
      text: `export LANGSMITH_ENDPOINT=${url}/langsmith LANGSMITH_API_KEY=${key}`,
    },
    {
      vendor: 'Hyperbrowser',
      language: 'JavaScript',
      text: `const client = new Hyperbrowser({ apiKey: '${key}', baseUrl: '${url}/hyperbrowser' })`,
    },
    {
      vendor: 'Brimble',
      language: 'JavaScript',
      text: `const client = new Sandbox({ apiKey: '${key}', baseUrl: '${url}/brimble' })`,
    },
    { vendor: 'curl', language: 'shell', text: `curl -H "X-API-Key: ${key}" ${url}/v1/sandboxes` },
  ]
}
