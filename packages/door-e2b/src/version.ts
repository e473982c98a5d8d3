/** The version of E2B's agent whose surface `src/envd` has; the clients switch features on and off by it. */
export const ENVD_VERSION = '0.6.13'
/** Of no meaning any more, but Python's client requires one. */
export const CLIENT_ID = '6532622b'
