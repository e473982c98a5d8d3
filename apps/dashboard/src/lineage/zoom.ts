/** What the buttons go through. */
const ZOOMS = [0.5, 0.6, 0.75, 0.9, 1, 1.25]
/** Below it names are hard to read: the picture scrolls instead. */
const LEAST_FIT = 0.6

/** So that all of it is seen, if it can be read then. */
export function fitting(width: number, room: number): number {
  return Math.min(1, Math.max(LEAST_FIT, room / width))
}

/** The next larger or smaller; `null` if there is none. */
export function nextZoom(zoom: number, by: 'larger' | 'smaller'): number | null {
  const next = by === 'larger' ? ZOOMS.find((one) => one > zoom) : ZOOMS.findLast((one) => one < zoom)
  return next ?? null
}
