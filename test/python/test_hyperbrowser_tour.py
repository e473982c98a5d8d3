"""A short tour with each of Hyperbrowser's clients, and what they raise."""

import asyncio
import os
import time
import urllib.request

import httpx
import pytest
from hyperbrowser import AsyncHyperbrowser, Hyperbrowser
from hyperbrowser.exceptions import HyperbrowserError
from hyperbrowser.models import (
    CreateSandboxParams,
    SandboxExecParams,
    SandboxExposeParams,
    SandboxListParams,
    SandboxTerminalCreateParams,
)

pytestmark = pytest.mark.usefixtures('domain')


@pytest.fixture(scope='module')
def client():
    return Hyperbrowser()


@pytest.fixture(scope='module')
def sandbox(client):
    one = client.sandboxes.create(CreateSandboxParams(image_name='base', cpu=1, memory_mib=512, timeout_minutes=10))
    yield one
    one.stop()


def test_sandboxes(client, sandbox):
    assert (sandbox.status, sandbox.cpu, sandbox.memory_mib) == ('active', 1, 512)
    found = client.sandboxes.list(SandboxListParams(status='active', search=sandbox.id))
    assert [one.id for one in found.sandboxes] == [sandbox.id]
    assert client.sandboxes.get(sandbox.id).id == sandbox.id
    assert client.sandboxes.connect(sandbox.id).exec('echo 1').stdout == '1\n'
    with pytest.raises(HyperbrowserError) as raised:
        client.sandboxes.get('0' * 24)
    assert raised.value.status_code == 404
    # As another door makes them; one that cannot be read would take the whole list along.
    whole = {'cpus': 0.5}, {'timeoutMs': 90_000}
    made = httpx.post(
        os.environ['HYPERBROWSER_BASE_URL'].replace('/hyperbrowser', '/v1/sandboxes'),
        headers={'authorization': f'Bearer {os.environ["HYPERBROWSER_API_KEY"]}'},
        json={'image': 'base', 'resources': whole[0], 'timeout': whole[1]},
        timeout=60,
    ).json()
    assert [(one.cpu, one.timeout_minutes) for one in client.sandboxes.list().sandboxes if one.id == made['id']] == [(1, 2)]
    client.sandboxes.stop(made['id'])


def test_secrets(client, sandbox):
    """Secrets of the vendor's vaults are refused, not left out."""
    for refused in [
        lambda: client.sandboxes.create(CreateSandboxParams(image_name='base', vault='mine')),
        lambda: sandbox.exec('env', secrets={'TOKEN': 'mine'}),
        lambda: client.secrets.create({'name': 'mine', 'value': 'x'}),
        lambda: client.vaults.list(),
    ]:
        with pytest.raises(HyperbrowserError) as raised:
            refused()
        assert (raised.value.code, raised.value.retryable) == ('SECRETS_NOT_CONFIGURED', False)


def test_processes(sandbox):
    result = sandbox.exec('echo out; echo err >&2; exit 3')
    assert (result.stdout, result.stderr, result.exit_code) == ('out\n', 'err\n', 3)
    process = sandbox.processes.start(SandboxExecParams(command='cat; echo end', env={'A': '1'}))
    process.write_stdin('typed\n', eof=True)
    assert ''.join(one.data for one in process.stream() if one.type == 'stdout') == 'typed\nend\n'
    assert process.wait().exit_code == 0
    sleeper = sandbox.processes.start(SandboxExecParams(command='sleep 100'))
    assert sleeper.id in [one.id for one in sandbox.processes.list(status=['running']).data]
    sleeper.kill()
    assert sandbox.get_process(sleeper.id).status == 'killed'


def test_terminals(sandbox):
    terminal = sandbox.terminal.create(SandboxTerminalCreateParams(command='bash', rows=24, cols=80))
    connection = terminal.attach()
    connection.resize(30, 100)
    connection.write('stty size; exit 4\n')
    output = ''.join(event.data for event in connection.events() if event.type == 'output')
    connection.close()
    assert '30 100' in output
    assert terminal.wait(include_output=True).exit_code == 4
    assert '30 100' in ''.join(chunk.data for chunk in terminal.refresh(include_output=True).current.output)


def test_files(sandbox):
    files = sandbox.files
    files.write('/tmp/tour/a.txt', 'äöü')
    assert files.read('/tmp/tour/a.txt') == 'äöü'
    files.write_bytes('/tmp/tour/b', b'\x00\xff')
    assert files.read_bytes('/tmp/tour/b') == b'\x00\xff'
    assert [one.name for one in files.list('/tmp/tour')] == ['a.txt', 'b']
    files.chmod(path='/tmp/tour/b', mode='0600')
    files.copy(source='/tmp/tour/b', destination='/tmp/tour/c')
    files.rename('/tmp/tour/c', '/tmp/tour/d')
    assert files.get_info('/tmp/tour/d').size == 2
    files.upload('/tmp/tour/e', b'up')
    assert files.download('/tmp/tour/e') == b'up'
    files.remove('/tmp/tour/e')
    assert not files.exists('/tmp/tour/e')
    with urllib.request.urlopen(files.download_url('/tmp/tour/b').url) as answer:
        assert answer.read() == b'\x00\xff'
    watch = files.watch('/tmp/tour')
    files.write_text('/tmp/tour/watched', 'x')
    assert 'watched' in next(event.event.path for event in watch.events(route='stream') if event.type == 'event')
    seen = watch.refresh(include_events=True).current
    assert seen.active and 'watched' in [event.path.split('/')[-1] for event in seen.events]
    watch.stop()
    assert [event.event.path.split('/')[-1] for event in watch.events() if event.type == 'event'][0] == 'watched'
    assert not watch.refresh().current.active
    ends, names = [], []
    handle = files.watch_dir('/tmp/tour', lambda event: names.append(event.name), on_exit=ends.append)
    files.write_text('/tmp/tour/again', 'x')
    while 'again' not in names:
        time.sleep(0.05)
    handle.stop()
    assert ends == [None]
    with pytest.raises(HyperbrowserError):
        files.rename('/tmp/tour/a.txt', '/tmp/tour/d', overwrite=False)


def test_ports_and_network(sandbox):
    exposed = sandbox.expose(SandboxExposeParams(port=8080, auth=True))
    assert exposed.url == sandbox.get_exposed_url(8080)
    assert sandbox.unexpose(8080).exposed is False
    sandbox.update_network({"allow_internet_access": False})
    assert sandbox.clear_network().network.allow_internet_access is True


def test_async():
    async def tour():
        async with AsyncHyperbrowser() as client:
            sandbox = await client.sandboxes.create(CreateSandboxParams(image_name='base'))
            assert (await sandbox.exec('echo $((6 * 7))')).stdout == '42\n'
            await sandbox.files.write('/tmp/a', 'text')
            assert await sandbox.files.read('/tmp/a') == 'text'
            process = await sandbox.processes.start(SandboxExecParams(command='echo a; echo b'))
            assert ''.join([one.data async for one in process.stream() if one.type == 'stdout']) == 'a\nb\n'
            terminal = await sandbox.terminal.create(SandboxTerminalCreateParams(command='echo', args=['hi']))
            assert (await terminal.wait()).exit_code == 0
            await sandbox.stop()
            assert sandbox.status == 'closed'

    asyncio.run(tour())
