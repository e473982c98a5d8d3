export { BASE_IMAGE } from './base-image.ts'
export { DebianImageBuilder, type DebianImageBuilderOptions } from './debian-image-builder.ts'
export { TarImageBuilder, type TarImageBuilderOptions } from './tar-image-builder.ts'
