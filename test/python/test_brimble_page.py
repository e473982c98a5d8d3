"""The samples of Brimble's page on snapshots in the vendor's own Python client, with what the page says around them."""

import concurrent.futures
import os
import time
import urllib.error
import urllib.request

import pytest
from brimble_sandbox import NotFoundError, Sandbox, ValidationError
from brimble_sandbox.enums import SandboxEgressMode, SandboxSize

# For addresses of ports.
pytestmark = pytest.mark.usefixtures('domain')


@pytest.fixture
def client():
    client = Sandbox(base_url=os.environ['BRIMBLE_BASE_URL'])
    yield client
    for sandbox in client.sandboxes.iterate({'limit': 100}):
        sandbox.destroy()


def settled(sandbox, snapshot):
    while True:
        found = next(one for one in sandbox.snapshots.iterate() if one['id'] == snapshot['id'])
        if found['status'] != 'creating':
            return found
        time.sleep(0.05)


def eventually(url):
    while True:
        try:
            return urllib.request.urlopen(url).read()
        except urllib.error.HTTPError:  # nothing listens there yet
            time.sleep(0.05)


def test_the_page(client):
    sandbox = client.sandboxes.create_ready({
        'template': 'node-22',
        'persistent': True,
        'persistentDiskGB': 20,
        'snapshotMode': 'automatic',
        'snapshotFrequency': '0 */2 * * *',
    })
    assert sandbox.refresh()['snapshot_frequency'] == '0 */2 * * *'
    sandbox.put_file('/workspace/migration', b'before')

    snap = sandbox.snapshots.create({'name': 'before-migration'})
    assert snap['status'] == 'creating'
    with pytest.raises(ValidationError, match='already in progress'):
        sandbox.snapshots.create({'name': 'second'})
    assert settled(sandbox, snap)['status'] == 'ready'
    assert {'id', 'name', 'source_template', 'status', 'created_at', 'sandbox_id', 'expires_at'} <= snap.keys()

    listing = client.snapshots.list_all({'page': 1, 'limit': 50})
    mine = sandbox.snapshots.list({'page': 1, 'limit': 50})
    assert snap['id'] in [one['id'] for one in listing['data']]
    assert [one['id'] for one in mine['data']] == [snap['id']]

    restored = client.sandboxes.create_ready({'fromSnapshot': snap['id']})
    assert restored.refresh()['template'] == 'node-22'
    assert b''.join(restored.get_file('/workspace/migration')) == b'before'

    sandbox.pause()
    with pytest.raises(ValidationError, match='only ready sandboxes'):
        client.sandboxes.use(sandbox.id).create_snapshot({'name': 'paused'})
    assert sandbox.resume()['message'] == 'Sandbox resume requested'
    assert client.sandboxes.get_ready(sandbox.id).status == 'ready'

    client.snapshots.delete(snap['id'])
    with pytest.raises(NotFoundError, match='Snapshot not found'):
        client.sandboxes.create({'fromSnapshot': snap['id']})
    with pytest.raises(NotFoundError):
        client.snapshots.delete(snap['id'])
    assert restored.exec({'cmd': 'cat /workspace/migration'})['stdout'] == 'before'


def test_a_tour(client):
    assert client.sandboxes.get_template('python-3.12')['name'] == 'python-3.12'
    with pytest.raises(ValidationError, match='^Invalid sandbox id$'):
        client.sandboxes.get('missing')
    sandbox = client.sandboxes.with_volume({
        'sandbox': {'name': 'A tour', 'region': 'auto', 'size': 'sbx.small'},
        'volume': {'name': 'tour', 'sizeGB': 10, 'region': 'auto'},
    })
    volume = next(client.volumes.iterate())
    assert volume['attached_sandbox_id'] == sandbox.id and volume['mount_path'] == '/workspace'

    result = sandbox.exec({'cmd': 'echo $WHO; echo no >&2; exit 3', 'env': {'WHO': 'me'}})
    assert (result['stdout'], result['stderr'], result['exit_code']) == ('me\n', 'no\n', 3)
    assert sandbox.run_code({'language': 'python', 'code': 'print(6 * 7)'})['stdout'] == '42\n'
    # What it reads at once ends in the middle of a character sooner or later.
    written = []
    text = 'é😀' * 3000
    sandbox.put_file('/srv/text', text.encode())
    sandbox.exec({'cmd': 'cat /srv/text'}, on_stdout=written.append)
    assert ''.join(written) == text
    done = sandbox.put_files([{'path': '/workspace/a', 'body': 'a'}, {'path': '/no/b', 'body': 'b'}])
    assert (done['uploaded'], done['failed']) == (1, 1)

    updated = sandbox.update_egress({'mode': SandboxEgressMode.RESTRICTED, 'allow': ['1.1.1.1', 'api.example.com']})
    assert updated['egress']['allow'] == ['1.1.1.1', 'api.example.com'] and updated['network_updated']
    stats = sandbox.stats({'hoursAgo': 1})
    assert stats['average']['memory']['size'] == 1024 and stats['results'][0]['memory'] > 0

    sandbox.exec({'cmd': 'cd /workspace; python3 -m http.server 8000 >/dev/null 2>&1 &'})
    assert eventually(sandbox.get_preview_url(8000)['url'] + 'a') == b'a'

    sandbox.destroy()
    sandbox.destroy()
    assert sandbox.refresh()['destroy_reason'] == 'user'
    client.volumes.delete(volume['id'])
    assert client.volumes.list()['totalCount'] == 0


def test_what_the_client_makes_of_answers(client):
    # A client that has lost patience asks again while the first request is under way.
    with concurrent.futures.ThreadPoolExecutor() as many:
        made = list(many.map(lambda _: client.sandboxes.create({'size': SandboxSize.MICRO}, idempotency_key='again'), range(3)))
    assert len({one.id for one in made}) == 1
    sandbox = made[0]
    assert sandbox.data['size'] == 'sbx.micro' and sandbox.refresh()['region']['is_paid'] is False

    assert sandbox.exec({'cmd': 'echo ' + 'x' * 200_000})['stdout'] == 'x' * 200_000 + '\n'
    much = {'cmd': 'head -c 9000000 /dev/zero | tr "\\0" a'}
    assert sandbox.exec(much)['truncated'] == {'stdout': True, 'stderr': False}
    assert len(sandbox.exec_stream(much).result()['stdout']) == 9_000_000

    other = client.sandboxes.get(sandbox.id)
    sandbox.pause()
    assert other.refresh()['status'] == 'paused'
    sandbox.destroy()
    with pytest.raises(ValidationError, match='Sandbox is destroyed'):
        other.wait_until_ready()
