export {
  type ControlDoorOptions,
  controlUrl,
  E2B,
  isControlRequest,
  MOUNTS,
  NOVITA,
  refuseControl,
  registerE2bControl,
} from './control/index.ts'
export { endings } from './ending.ts'
export {
  ENVD_PORT,
  Envd,
  type EnvdOptions,
  holdsTrafficToken,
  ShownTokens,
  SignedFiles,
  TRAFFIC_TOKEN_HEADER,
} from './envd/index.ts'
export {
  INTERPRETER_COMMANDS,
  INTERPRETER_PORT,
  Interpreter,
  type InterpreterCall,
  type InterpreterOptions,
} from './interpreter/index.ts'
