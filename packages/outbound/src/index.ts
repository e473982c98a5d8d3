export { Asker } from './asker.ts'
export { type Boundary, type BoundaryOptions, boundary } from './boundary.ts'
export { BodyTooLarge, discard, Http, type HttpAnswer, type HttpOptions, type HttpRequest, readAll } from './http.ts'
export { ForbiddenAddress, type Reach, reachOf } from './reach.ts'
