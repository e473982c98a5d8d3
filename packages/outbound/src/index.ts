export { Asker } from './asker.ts'
export { type AwsKeys, type AwsRequest, awsSignature } from './aws-signature.ts'
export { BadQuery, type HeaderPairs, sharedKey, storageText, tableText } from './azure-shared-key.ts'
export { type Boundary, type BoundaryOptions, boundary } from './boundary.ts'
export {
  azureResourceOf,
  entraToken,
  federatedGoogleToken,
  type IdentityAuth,
  ownToken,
  roleKeys,
} from './cloud-identity.ts'
export { googleToken } from './google-token.ts'
export { BodyTooLarge, discard, Http, type HttpAnswer, type HttpOptions, type HttpRequest, readAll } from './http.ts'
export { jsonWebToken, nowSeconds } from './json-web-token.ts'
export { KeptAnswers } from './kept-answers.ts'
export { environmentProxy, type OutgoingProxy } from './proxy.ts'
export { ForbiddenAddress, type Reach, reachOf } from './reach.ts'
export { type Roots, systemRoots } from './roots.ts'
export { checkedToken, fieldsOf, type Given, postForm, tokenOf } from './token-service.ts'
export { nextHop, Trail } from './trail.ts'
