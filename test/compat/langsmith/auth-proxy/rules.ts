import { Langsmith } from 'langsmith'
import { opaqueSecret, proxyConfig, workspaceSecret } from 'langsmith/sandbox'
import { expect, it } from 'vitest'
import { rule, rules, SECRET, world } from './world.ts'

it('puts a credential into requests to the hosts that a rule names, and nothing into others', async () => {
  const authorization = `Bearer ${SECRET}`
  expect(await world.heard('https://api.test/')).toMatchObject({ host: 'api.test', authorization })
  expect(
    await world.heard('https://v1.api.test/v1/models?x=1', world.caller, '-H "Authorization: mine"'),
  ).toMatchObject({
    authorization,
  })
  expect(await world.heard('http://api.test/')).toMatchObject({ authorization })
  expect((await world.heard('https://api.test/admin')).authorization).toBeUndefined()
  // The host itself answers: what it shows is not ours.
  const issuer = 'curl -skv https://HOST/ 2>&1 | grep -i "issuer:"'
  expect((await world.caller.run(issuer.replace('HOST', 'api.test'))).stdout).toContain('Spawnpoint')
  expect((await world.caller.run(issuer.replace('HOST', 'other.test'))).stdout).not.toContain('Spawnpoint')
  expect((await world.heard('https://other.test/', world.caller, `-k -H "Authorization: mine"`)).authorization).toBe(
    'mine',
  )
})

it('is trusted by what runs inside: Python, Node.js and programs that look at the system alone', async () => {
  const python = `python3 -c 'import urllib.request; print(urllib.request.urlopen("https://api.test/").read().decode())'`
  const node = `node -e 'fetch("https://api.test/").then((r) => r.text()).then(console.log)'`
  for (const command of [python, node, 'env -i /usr/bin/curl -sS https://api.test/'])
    expect(JSON.parse((await world.caller.run(command)).stdout).authorization, command).toBe(`Bearer ${SECRET}`)
})

const WEB_SOCKET = `
import socket, ssl
s = ssl.create_default_context().wrap_socket(socket.create_connection(('api.test', 443)), server_hostname='api.test')
s.sendall(b'GET /v1/live HTTP/1.1\\r\\nHost: api.test\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n'
          b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n')
f = s.makefile('rb')
assert b' 101 ' in f.readline()
while f.readline().strip(): pass
s.sendall(bytes([0x81, 0x84, 0, 0, 0, 0]) + b'ping')
head = f.read(4)
print(f.read(head[2] << 8 | head[3]).decode())
`

it('goes along with a WebSocket, whose messages pass both ways', async () => {
  await world.caller.write('/tmp/live.py', WEB_SOCKET)
  const { stdout, stderr } = await world.caller.run('python3 /tmp/live.py')
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toMatchObject({ authorization: `Bearer ${SECRET}`, message: 'ping' })
})

const BUNDLE = '/etc/ssl/certs/ca-certificates.crt'
const EXTRACTED = '/etc/pki/ca-trust/extracted/pem'
/** Where other distributions than the image's have their certificates, and where their own programs look for them */
it.each([
  [
    'Red Hat and Alpine have their certificates',
    `set -e; mkdir -p ${EXTRACTED} /etc/pki/ca-trust/source/anchors /etc/pki/tls/certs
cp ${BUNDLE} ${EXTRACTED}/tls-ca-bundle.pem; chmod 444 ${EXTRACTED}/tls-ca-bundle.pem; rm -r /etc/ssl/certs
ln -s ${EXTRACTED}/tls-ca-bundle.pem /etc/pki/tls/certs/ca-bundle.crt; ln -s /etc/pki/tls/certs /etc/ssl/certs
ln -s ${EXTRACTED}/tls-ca-bundle.pem /etc/ssl/cert.pem`,
    ['/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'],
  ],
  [
    'Fedora has them without the old names',
    `set -e; mkdir -p ${EXTRACTED}; mv ${BUNDLE} ${EXTRACTED}/tls-ca-bundle.pem`,
    [`${EXTRACTED}/tls-ca-bundle.pem`],
  ],
])('is trusted where %s', async (name, layout, bundles) => {
  const { client: native } = world.vendor.world
  const dockerfile = `FROM base\nUSER root\nRUN <<EOF\n${layout}\nEOF\n`
  const source = { type: 'dockerfile' as const, dockerfile }
  const image = await native.images.build({ name: name.split(' ')[0]?.toLowerCase() ?? '', source })
  const headers = [{ name: 'Authorization', value: `Bearer ${SECRET}` }]
  const credentials = [{ name: 'api', hosts: ['api.test'], headers }]
  await using sandbox = await native.sandboxes.create({ image: image.id, credentials })
  // As that system's programs look for them, and as variables tell others.
  const own = bundles.map((bundle) => `env -i /usr/bin/curl -sS --cacert ${bundle} https://api.test/`)
  for (const command of [...own, 'curl -sS https://api.test/']) {
    const { stdout, stderr } = await sandbox.run(command)
    expect(stderr, command).toBe('')
    expect(JSON.parse(stdout).authorization).toBe(`Bearer ${SECRET}`)
  }
})

it('never shows the secret inside, nor in any answer', async () => {
  expect((await world.caller.run('echo $API_KEY')).stdout).toBe('not-the-real-one\n')
  // An expression that does not match itself, where it is an argument.
  const needle = SECRET.replace(/^sk-(.)/, 'sk-[$1]')
  const files = `grep -rsI ${needle} /proc/[0-9]*/environ /proc/[0-9]*/cmdline /etc /run /tmp /root /var /home /opt`
  expect((await world.caller.run(files, { timeout: 120 })).stdout).toBe('')
  const generated = new Langsmith({ baseURL: `${world.vendor.world.url}/langsmith` })
  const shown = await generated.sandboxes.boxes.retrieve('caller')
  expect(shown.proxy_config?.rules?.[0]?.headers).toEqual([{ name: 'Authorization', type: 'opaque', is_set: true }])
  const events = await world.vendor.world.client.sandboxes.get('caller')
  expect(JSON.stringify([shown, events.info])).not.toContain(SECRET)
})

it('stays through stop and start and a new server; what comes from a snapshot has none', async () => {
  await world.caller.stop()
  await world.newServer()
  expect((await world.heard('https://api.test/')).authorization).toBe(`Bearer ${SECRET}`)
  await world.newServer()
  expect((await world.heard('https://api.test/')).authorization).toBe(`Bearer ${SECRET}`)
  const snapshot = await world.caller.captureSnapshot('with-rules')
  const child = await world.client.createSandbox(snapshot.id)
  expect((await world.heard('https://api.test/', child, '-k')).authorization).toBeUndefined()
  expect((await child.run('cat /etc/ssl/certs/ca-certificates.crt | grep -c spawnpoint')).stdout.trim()).toBe('0')
  await child.delete()
  const { boxes } = new Langsmith({ baseURL: `${world.vendor.world.url}/langsmith` }).sandboxes
  const carry = { include: ['proxy_config' as const, 'lifecycle' as const], confirm_allow_snapshot_secret_values: true }
  const carrying = await boxes.createSnapshot('caller', { name: 'carrying', ...carry })
  const { id = '' } = await world.client.waitForSnapshot(carrying.id ?? '')
  const other = await world.client.createSandbox(id)
  expect((await world.heard('https://api.test/', other)).authorization).toBe(`Bearer ${SECRET}`)
  await other.delete()
})

it('changes while the box runs, and keeps a secret that is not given again for its hosts alone', async () => {
  const kept = rule([{ name: 'Authorization', type: 'opaque', is_set: true }])
  await world.client.updateSandbox('caller', { proxyConfig: rules(kept) })
  expect((await world.heard('https://api.test/admin')).authorization).toBe(`Bearer ${SECRET}`)
  const elsewhere = world.client.updateSandbox('caller', {
    proxyConfig: rules({ ...kept, match_hosts: ['other.test'] }),
  })
  await expect(elsewhere).rejects.toThrow('these hosts')
  const other = rule([{ name: 'X-Team', type: 'plaintext', value: 'ours' }], { match_hosts: ['other.test'] })
  await world.client.updateSandbox('caller', { proxyConfig: rules(other) })
  expect(await world.heard('https://other.test/')).toMatchObject({ 'x-team': 'ours' })
  expect((await world.heard('https://api.test/', world.caller, '-k')).authorization).toBeUndefined()
  await world.client.updateSandbox('caller', { proxyConfig: rules() })
  expect(await world.heard('https://other.test/', world.caller, '-k')).not.toHaveProperty('x-team')
  expect((await world.caller.run('env | grep -c SSL_CERT_FILE')).stdout.trim()).toBe('0')
})

it('takes secrets of the workspace by their names, as they are at the moment', async () => {
  const secrets = `${world.vendor.world.url}/langsmith/api/v1/workspaces/current/secrets`
  const headers = { 'x-api-key': world.vendor.world.key, 'content-type': 'application/json' }
  const body = JSON.stringify([{ key: 'API_KEY', value: SECRET }])
  expect((await fetch(secrets, { method: 'POST', headers, body })).status).toBe(200)
  expect(await (await fetch(secrets, { headers })).json()).toContainEqual({ key: 'API_KEY' })
  const bearer = { name: 'Authorization', type: 'workspace_secret', value: 'Bearer {API_KEY}' }
  await world.client.updateSandbox('caller', {
    proxyConfig: rules(rule([bearer, { name: 'X-Key', ...workspaceSecret('API_KEY') }])),
  })
  const got = { authorization: `Bearer ${SECRET}`, 'x-key': SECRET }
  expect(await world.heard('https://api.test/')).toMatchObject(got)
  await world.vendor.world.client.secrets.set('API_KEY', { value: 'rotated' })
  expect(await world.heard('https://api.test/')).toMatchObject({ authorization: 'Bearer rotated', 'x-key': 'rotated' })
  await world.vendor.world.client.secrets.delete('API_KEY')
  const refused = await world.caller.run('curl -sS -w "%{http_code}" --max-time 20 https://api.test/')
  expect(refused.stdout).toMatch(/cannot be read; set it again\n502$/)
  const none = rule([{ name: 'X-Key', ...workspaceSecret('NOBODY') }])
  await expect(world.client.createSandbox({ proxyConfig: rules(none) })).rejects.toThrow('no secret NOBODY')
})

it('asks no more than the access list lets through', async () => {
  const opaque = rule([{ name: 'Authorization', ...opaqueSecret('x') }])
  const config = proxyConfig({ rules: [opaque], accessControl: { allow_list: ['other.test'] } })
  await world.client.updateSandbox('caller', { proxyConfig: config })
  const refused = await world.caller.run('curl -sS -o /dev/null -w "%{http_code}" --max-time 20 https://api.test/')
  expect(refused.stdout).toBe('502')
  expect((await world.heard('https://other.test/', world.caller, '-k')).host).toBe('other.test')
  // The other way round: all but what is named, with a rule or without.
  const denied = { deny_list: ['*.api.test', 'other.test'] }
  await world.client.updateSandbox('caller', { proxyConfig: proxyConfig({ rules: [opaque], accessControl: denied }) })
  expect(await world.heard('https://api.test/')).toMatchObject({ host: 'api.test', authorization: 'x' })
  await world.client.updateSandbox('caller', { proxyConfig: proxyConfig({ accessControl: denied }) })
  expect((await world.heard('https://api.test/', world.caller, '-k')).host).toBe('api.test')
  for (const url of ['https://v1.api.test/', 'https://other.test/', 'http://other.test/'])
    expect((await world.caller.run(`curl -ksS --max-time 20 ${url}`)).exit_code, url).not.toBe(0)
  const address = world.outside.server.SPAWNPOINT_DNS
  const direct = `curl -ksS --max-time 20 --resolve other.test:443:${address} https://other.test/`
  expect((await world.caller.run(direct)).exit_code).not.toBe(0)
})

it('opens a port of a host that the list names with it, and takes expressions', async () => {
  const only = (...allow_list: string[]) =>
    world.client.updateSandbox('caller', { proxyConfig: proxyConfig({ accessControl: { allow_list } }) })
  const database = 'timeout 10 bash -c "cat </dev/tcp/other.test/5432"'
  await only('other.test:5432', 'api.test:80', '~^v1[.]api[.]')
  expect((await world.caller.run(database)).stdout).toBe('a database\n')
  const code = async (url: string) => (await world.caller.run(`curl -ksS -o /dev/null --max-time 20 ${url}`)).exit_code
  expect(await code('http://api.test/')).toBe(0)
  expect(await code('https://v1.api.test/')).toBe(0)
  for (const url of ['https://other.test/', 'https://api.test/']) expect(await code(url), url).not.toBe(0)
  // The address is open no longer than the list names it.
  await only('other.test')
  expect((await world.caller.run(database)).exit_code).not.toBe(0)
  expect(await code('https://other.test/')).toBe(0)
  // Denied by name it is shut, whoever is there; the name's other ports are not.
  await world.client.updateSandbox('caller', { proxyConfig: rules() })
  expect((await world.caller.run(database)).stdout).toBe('a database\n')
  const config = proxyConfig({ accessControl: { deny_list: ['api.test:5432'] } })
  await world.client.updateSandbox('caller', { proxyConfig: config })
  expect((await world.caller.run(database)).exit_code).not.toBe(0)
  expect(await code('https://api.test/')).toBe(0)
})
