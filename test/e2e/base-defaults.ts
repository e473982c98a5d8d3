import { BASE_IMAGE } from '@spawnpoint/images-debian'

/** What the image `base` starts its processes with, also where it is imported from an archive. */
export const { defaults } = BASE_IMAGE
