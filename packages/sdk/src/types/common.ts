export type Labels = Record<string, string>
export type Env = Record<string, string>
