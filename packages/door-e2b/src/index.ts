export { type ControlDoorOptions, registerE2bControl } from './control/index.ts'
export { INTERPRETER_PORT, Interpreter, type InterpreterCall, type InterpreterOptions } from './interpreter/index.ts'
