export { OciImageBuilder, type OciImageBuilderOptions } from './oci-image-builder.ts'
