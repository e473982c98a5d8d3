import './base64.ts'

export { ENVD_PORT } from '../secure.ts'
export { Envd, type EnvdOptions } from './service.ts'
export { ShownTokens } from './shown-token.ts'
export { SignedFiles } from './signed-files.ts'
export { holdsTrafficToken, TRAFFIC_TOKEN_HEADER } from './traffic-token.ts'
