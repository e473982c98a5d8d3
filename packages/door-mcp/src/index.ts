export { MCP_PATH, type McpDoorOptions, registerMcpDoor } from './door.ts'
