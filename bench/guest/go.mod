module spawnpoint-bench

go 1.19
