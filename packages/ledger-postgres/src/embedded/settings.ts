/**
 * Settings of the private PostgreSQL, given on its command line: files in the cluster belong to the account, and root
 * writes none there. Durability is left at full; memory is that of a ledger, not of a warehouse.
 */
export function postgresArguments(data: string, socketDir: string): string[] {
  const settings = {
    listen_addresses: '',
    unix_socket_directories: socketDir,
    unix_socket_permissions: '0700',
    port: '5432',
    cluster_name: 'spawnpoint',
    max_connections: '40',

    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    // No replicas of the private server: whoever needs them brings a PostgreSQL.
    wal_level: 'minimal',
    max_wal_senders: '0',
    min_wal_size: '32MB',
    max_wal_size: '256MB',

    shared_buffers: '32MB',
    huge_pages: 'off',
    // In the cluster instead of /dev/shm, where a killed server would leave it behind.
    dynamic_shared_memory_type: 'mmap',
    io_method: 'sync',
    max_worker_processes: '2',
    max_parallel_workers: '0',
    max_parallel_workers_per_gather: '0',
    autovacuum_max_workers: '1',
    jit: 'off',
    deadlock_timeout: '200ms',

    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    // Starts, stops and crashes. Errors of statements reach whoever sent them, and their values stay out of the log.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
  }
  return ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

export function initdbArguments(data: string): string[] {
  return [
    `--pgdata=${data}`,
    '--username=postgres',
    '--auth-local=trust',
    '--auth-host=reject',
    '--encoding=UTF8',
    // Built into PostgreSQL: an upgrade of the machine's C library or ICU cannot change the order of indexes.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--data-checksums',
    '--no-instructions',
  ]
}
