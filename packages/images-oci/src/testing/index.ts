export { DockerRegistry, USER } from './docker-registry.ts'
export { indexOf, MACHINE, type MadeImage, makeImage, makeImageOf, writeLayout } from './image.ts'
export { BreakingProxy, OddRegistry } from './odd-registry.ts'
export { type TarEntry, tar } from './tar.ts'
