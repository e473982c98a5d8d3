module spawnpoint/guest/agent

go 1.19
