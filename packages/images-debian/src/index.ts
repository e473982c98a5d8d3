export { BASE_IMAGE, type KnownImage } from './base-image.ts'
export { CODE_INTERPRETER_PACKAGES } from './code-interpreter-image.ts'
export { DebianImageBuilder, type DebianImageBuilderOptions } from './debian-image-builder.ts'
export { TarImageBuilder, type TarImageBuilderOptions } from './tar-image-builder.ts'
