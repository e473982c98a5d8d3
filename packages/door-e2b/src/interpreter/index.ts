export { INTERPRETER_PORT } from './inside.ts'
export { Interpreter, type InterpreterCall, type InterpreterOptions } from './service.ts'
export { INTERPRETER_COMMANDS } from './started-image.ts'
