/** What the two vendors' clients of one protocol differ in is here, and nowhere else. */
export interface Dialect {
  name: 'e2b' | 'novita'
}

export const E2B: Dialect = { name: 'e2b' }
export const NOVITA: Dialect = { name: 'novita' }
