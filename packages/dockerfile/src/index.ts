export { DockerfileFrontEnd } from './reader.ts'
