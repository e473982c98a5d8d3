/** The one there is: this machine. The shape of an id is the vendor's. */
export const REGION = {
  id: '00000000000000000000a001',
  name: 'local',
  slug: 'local',
  country: 'This machine',
  continent: 'This machine',
  provider: 'local',
  is_paid: false,
  enabled: true,
  type: 'sandbox',
} as const

export function isRegion(given: string): boolean {
  return ['auto', REGION.id, REGION.slug].includes(given)
}
