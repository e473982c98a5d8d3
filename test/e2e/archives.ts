import { BASE_IMAGE, CODE_INTERPRETER_PACKAGES } from '@spawnpoint/images-debian'
import { archiveOf } from './known-image.ts'

/** For script/test, which has it done beside what comes before the end-to-end tests: it takes minutes, once. */
for (const image of [BASE_IMAGE, CODE_INTERPRETER_PACKAGES]) await archiveOf(image)
