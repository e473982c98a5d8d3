type Optional<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T]

export type Defined<T> = { [K in Exclude<keyof T, Optional<T>>]: T[K] } & {
  [K in Optional<T>]?: Exclude<T[K], undefined>
}

/** The same object without the keys whose value is `undefined`. */
export function defined<T extends object>(given: T): Defined<T> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Defined<T>
}
