export { LANGSMITH_PREFIX } from './address.ts'
export { type LangsmithDoorOptions, refuseLangsmith, registerLangsmithDoor } from './door.ts'
export { createLangsmithUpgradeHandler, type LangsmithUpgradeHandler } from './upgrade.ts'
