import { invalidArgument, type Labels, type Principal } from '@spawnpoint/core'

const PREFIX = 'langsmith.'

/** What this protocol knows of a sandbox, image or snapshot and the core does not, kept among its labels. */
export const OWN = {
  /** Whom commands run as, and where */
  user: `${PREFIX}user`,
  workDir: `${PREFIX}work-dir`,
  /** JSON of variables that a captured snapshot gives its sandboxes; only of older ones, newer have an environment of their own */
  env: `${PREFIX}env`,
  /** Names of the variables that are a box's own, see `own-env.ts` */
  ownEnv: `${PREFIX}own-env`,
  /** What a box was asked to begin from */
  snapshot: `${PREFIX}snapshot`,
  description: `${PREFIX}description`,
  /** Of all of `proxy_config`, see `egress.ts` */
  proxyDescription: `${PREFIX}proxy-description`,
  /** Settings that a captured snapshot carries, and those of the lives of its boxes as JSON, see `carried.ts` */
  included: `${PREFIX}included`,
  lifecycle: `${PREFIX}lifecycle`,
  /** Ids of resource tags, with spaces between */
  tags: `${PREFIX}tags`,
  /** Id of the key that made it */
  createdBy: `${PREFIX}created-by`,
  /** When it was last changed, and the id of the key that did so */
  changed: `${PREFIX}changed`,
  /** With a port behind it: that it is shared, see `services/shares.ts` */
  service: `${PREFIX}service`,
  /** `false` for a box whose files go with every stop */
  persistent: `${PREFIX}persistent`,
} as const

/** Those that users have given. */
export function usersLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !key.startsWith(PREFIX)))
}

export function ownLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => key.startsWith(PREFIX)))
}

/** Without what is of that one alone: who made it, and what was shared of it. */
export function inheritedLabels(labels: Labels): Labels {
  const own = Object.entries(ownLabels(labels))
  const alone: readonly string[] = [
    OWN.createdBy,
    OWN.included,
    OWN.lifecycle,
    OWN.tags,
    OWN.ownEnv,
    OWN.env,
    OWN.changed,
    OWN.proxyDescription,
  ]
  return Object.fromEntries(own.filter(([key]) => !alone.includes(key) && !key.startsWith(`${OWN.service}.`)))
}

export function checkUsersLabels(labels: Labels | undefined): Labels {
  for (const key of Object.keys(labels ?? {})) {
    if (key.startsWith(PREFIX))
      throw invalidArgument('body.labels', `keys that begin with ${PREFIX} are the server's own`)
  }
  return labels ?? {}
}

/** What is made by the server itself, as by a schedule, is nobody's. */
export function madeBy({ keyId }: Principal): Labels {
  return keyId === null ? {} : { [OWN.createdBy]: keyId }
}

export function changedBy({ keyId }: Principal): Labels {
  return { [OWN.changed]: [new Date().toISOString(), keyId].join(' ').trim() }
}

/** Labels can be changed through other protocols: what is no JSON says nothing. */
export function jsonOf(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Without those that are not there. */
export function present(labels: Record<string, string | undefined>): Labels {
  return Object.fromEntries(Object.entries(labels).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
