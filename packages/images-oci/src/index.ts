export { OciArchive, type OciArchiveOptions } from './oci-archive.ts'
export { OciImageBuilder, type OciImageBuilderOptions } from './oci-image-builder.ts'
