/** Purposes of the core's tokens (`api.tokens`): what the agent's surface asks for, and what a closed port asks for. */
export const ENVD_TOKEN = 'envd'
export const TRAFFIC_TOKEN = 'ingress'
