"""A short tour with each of LangSmith's clients, and what they raise."""

import asyncio
import os
import socket

import pytest
from langsmith import Langsmith, NotFoundError
from langsmith.sandbox import (
    AsyncSandboxClient,
    CommandTimeoutError,
    ResourceNotFoundError,
    SandboxClient,
    SandboxClientError,
    SandboxOperationError,
    ValidationError,
    opaque_secret,
    proxy_config,
    workspace_secret,
)

pytestmark = pytest.mark.usefixtures('domain')


SERVER = 'python3 -m http.server 8000 --directory /srv >/dev/null 2>&1 & until curl -s localhost:8000; do sleep 0.1; done'


@pytest.fixture(scope='module')
def client():
    with SandboxClient() as one:
        yield one


@pytest.fixture(scope='module')
def box(client):
    one = client.create_sandbox(name='tour', labels={'team': 'a'})
    yield one
    one.delete()


def test_commands(box):
    result = box.run("echo 'ä' >&2; echo $A; pwd; exit 3", env={'A': '1'}, cwd='/opt')
    assert (result.stdout, result.stderr, result.exit_code, result.success) == ('1\n/opt\n', 'ä\n', 3, False)
    chunks = []
    box.run('for i in 1 2 3; do echo $i; done', on_stdout=chunks.append)
    assert ''.join(chunks) == '1\n2\n3\n'
    handle = box.run('read a; echo "got $a"; sleep 60', wait=False, close_input=False)
    handle.send_input('x\n')
    assert next(iter(handle)).data == 'got x\n'
    again = box.reconnect(handle.command_id)
    handle.kill()
    assert again.result.exit_code != 0
    handle = box.run('cat; echo end', wait=False, close_input=False)
    handle.send_input('x\n')
    again = handle.reconnect()
    again.close_input()
    assert again.result.stdout == 'x\nend\n'
    with pytest.raises(CommandTimeoutError):
        box.run('sleep 60', timeout=1)
    assert 'xterm' in box.run('tty >/dev/null && echo $TERM', pty=True).stdout


def test_commands_by_server_sent_events(box, monkeypatch):
    monkeypatch.setenv('LANGSMITH_EXPERIMENTAL_FEATURES', 'sandbox_sse_exec')
    result = box.run("printf 'ä%.0s' $(seq 1 5000); echo err >&2; exit 3")
    assert (result.stdout, result.stderr, result.exit_code) == ('ä' * 5000, 'err\n', 3)
    handle = box.run('echo one; sleep 1; echo two', wait=False)
    assert ''.join(one.data for one in box.reconnect(handle.command_id, stdout_offset=4)) == 'two\n'
    assert handle.result.stdout == 'one\ntwo\n'
    with pytest.raises(CommandTimeoutError):
        box.run('sleep 60', timeout=1)
    with pytest.raises(SandboxClientError):
        box.reconnect('nobody').result


def test_files(box):
    box.write('/opt/new/dir/a.txt', 'one\ntwo\nthree\n')
    assert box.read('/opt/new/dir/a.txt') == b'one\ntwo\nthree\n'
    assert box.stat('/opt/new/dir/a.txt').size_bytes == 14
    assert box.read_range('/opt/new/dir/a.txt', start=4, end=6).content == b'two'
    assert [one.path for one in box.glob('**/*.txt', path='/opt').matches] == ['/opt/new/dir/a.txt']
    assert [one.is_dir for one in box.ls('/opt/new').matches] == [True]
    assert [(one.line, one.text) for one in box.grep('tw', path='/opt').matches] == [(2, 'two')]
    with pytest.raises(ResourceNotFoundError):
        box.read('/opt/none')
    with pytest.raises(SandboxOperationError, match='relative to path') as refused:
        box.glob('/etc/*', path='/opt')
    assert refused.value.operation == 'read'
    with pytest.raises(SandboxOperationError) as refused:
        box.write('/opt/new/dir/a.txt/b', 'x')
    assert refused.value.operation == 'write'


def test_services_downloads_and_tunnels(client, box):
    box.write('/srv/index.html', 'served')
    box.run(SERVER)
    service = box.service(8000)
    assert service.get('/').text == 'served'
    import httpx

    link = box.generate_download_url('/srv/index.html')
    assert httpx.get(link.download_url).text == 'served'
    with box.tunnel(remote_port=8000) as tunnel:
        for _ in range(2):
            assert httpx.get(f'http://127.0.0.1:{tunnel.local_port}/').text == 'served'
    with box.tunnel(remote_port=8001) as tunnel:
        with socket.create_connection(('127.0.0.1', tunnel.local_port)) as refused:
            assert refused.recv(1) == b''


def test_boxes_are_found_changed_and_gone(client, box):
    assert 'tour' in [one.name for one in client.list_sandboxes()]
    assert client.get_sandbox('tour').id == box.id
    assert client.get_sandbox_status('tour').status == 'ready'
    rule = {'name': 'api', 'match_hosts': ['api.example.com'], 'headers': [{'name': 'X-Key', **opaque_secret('s')}]}
    client.update_sandbox('tour', proxy_config=proxy_config(rules=[rule]))
    assert 'SSL_CERT_FILE' in box.run('env').stdout
    secret = {'name': 'api', 'match_hosts': ['api.example.com'], 'headers': [{'name': 'X', **workspace_secret('NONE')}]}
    with pytest.raises(SandboxClientError, match='no secret NONE'):
        client.update_sandbox('tour', proxy_config=proxy_config(rules=[secret]))
    denied = proxy_config(access_control={'deny_list': ['*.example.com']})
    client.update_sandbox('tour', proxy_config=denied)
    client.update_sandbox('tour', proxy_config=proxy_config(rules=[]))
    with pytest.raises(SandboxClientError):
        client.create_sandbox(name='tour')
    with pytest.raises(ValidationError) as refused:
        client.create_sandbox(mem_bytes=2**50)
    assert refused.value.field == 'mem_bytes'
    with pytest.raises(ResourceNotFoundError):
        client.get_sandbox('none')


def test_the_generated_client():
    with Langsmith(base_url=os.environ['LANGSMITH_ENDPOINT']) as generated:
        boxes, registries = generated.sandboxes.boxes, generated.sandboxes.registries
        made = boxes.create(name='made', env_vars={'A': 'own'}, run_config={'env_vars': {'A': 'run', 'B': 'run'}})
        assert made.status == 'ready' and 'own' not in made.run_config.env_vars.values()
        assert boxes.update('made', body_name='renamed').updated_by == made.created_by
        assert [one.id for one in boxes.list(page_size=1, name_contains='RENAMED')] == [made.id]
        snapshot = boxes.create_snapshot('renamed', body_name='made/snapshot')
        assert (snapshot.status, snapshot.tags) == ('ready', ['latest'])
        child = boxes.create(snapshot='made/snapshot')
        ran = SandboxClient().get_sandbox(child.name).run('echo $A-$B')
        assert ran.stdout == '-run\n'
        for name in (child.name, 'renamed'):
            boxes.delete(name)
        with pytest.raises(NotFoundError):
            boxes.delete('renamed')
        generated.sandboxes.snapshots.delete('made/snapshot')
        assert registries.create(name='one', url='ghcr.io').provider == 'GHCR'
        assert registries.update('one', body_name='two').name == 'two'
        registries.delete('two')


def test_async():
    async def tour():
        async with AsyncSandboxClient() as client:
            async with await client.sandbox(name='async-tour') as box:
                result = await box.run('echo $((6 * 7))')
                assert result.stdout == '42\n'
                await box.write('/opt/a', b'\x00\xff')
                assert await box.read('/opt/a') == b'\x00\xff'
                handle = await box.run('echo a; echo b', wait=False)
                assert ''.join([one.data async for one in handle]) == 'a\nb\n'
                await box.stop()
                snapshot = await client.capture_snapshot('async-tour', 'async/captured', tag='v1')
            async with await client.sandbox(snapshot='async/captured:v1') as child:
                assert await child.read('/opt/a') == b'\x00\xff'
            tags = await client.list_snapshot_tags('async/captured')
            assert [(one.tag, one.snapshot_id) for one in tags] == [('v1', snapshot.id)]
            await client.delete_snapshot('async/captured:v1')

    asyncio.run(tour())
