export { BodyTooLarge, discard, Http, type HttpAnswer, type HttpRequest, readAll } from './http.ts'
export { ForbiddenAddress, type Reach, reachOf } from './reach.ts'
