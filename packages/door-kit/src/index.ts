export { everyItem as everyPage } from '@spawnpoint/core'
export { ARGUMENT_MAX_BYTES, commandText, noNul, variables } from './arguments.ts'
export { boundBodies, takeOrRefuse } from './body-room.ts'
export { type ByteRange, parseRange } from './byte-range.ts'
export { hostOf, insideOnly } from './client-address.ts'
export { ClientSocket, closeReason, closeSockets, parseMessage, reasonOf } from './client-socket.ts'
export { type CollectedOutput, collectOutput, OUTPUT_LIMIT_BYTES, PATIENT_MS, roomFor } from './collect-output.ts'
export { type DoorOptions, type Refusal, type RefusedByRouter, registerDoor } from './door.ts'
export { HeadBuffer } from './head-buffer.ts'
export { InputQueue, type InputSource } from './input-queue.ts'
export type { Log } from './log.ts'
export { eachFile, MalformedForm } from './multipart.ts'
export { bodyChunks } from './request-body.ts'
export { ANSWERS, BODIES, type Lease, Room } from './room.ts'
export {
  type Answer,
  type AnyRoute,
  type Call,
  type Method,
  optional,
  type RouteSpec,
  route,
  STREAMED,
} from './route.ts'
export { type StreamFormat, type StreamTarget, sendItems, streamBytes, streamItems } from './streams.ts'
export { untilAborted } from './until-aborted.ts'
export { wholeOutput } from './whole-output.ts'
