"""
The samples of LangSmith's page on snapshots, as they are there but for where their images are: the registry is one of this machine,
whose password a stored registry has, as this client sends none with a build any more.
"""

import os

import pytest


def test_works_from_the_first_sample_to_the_last():
    registry = os.environ['TEST_REGISTRY']

    from langsmith.sandbox import SandboxClient

    client = SandboxClient()
    stored = client.registries.create(
        name='here',
        url=f'http://{registry}',
        username=os.environ['TEST_REGISTRY_USER'],
        password=os.environ['TEST_REGISTRY_PASSWORD'],
    )

    snapshot = client.create_snapshot(
        "python",
        docker_image=f"{registry}/python:3.12-slim",
        fs_capacity_bytes=1 * 1024**3,  # 1 GiB
    )

    print(snapshot.id)
    python = snapshot

    snapshot = client.create_snapshot(
        "internal-python",
        docker_image=f"{registry}/internal/python:3.12",
        fs_capacity_bytes=2 * 1024**3,
        registry_id=stored.id,
        timeout=600,
    )
    assert snapshot.status == 'ready'
    base_snapshot_id = client.get_snapshot('system/default:latest').id

    sb = client.create_sandbox(snapshot_id=base_snapshot_id, name="setup-box")
    sb.run("pip install numpy pandas scikit-learn", timeout=180)
    sb.write("/opt/config.yaml", "model: gpt-5\n")

    # Capture it
    snapshot = sb.capture_snapshot("ml-ready")
    print(snapshot.id, snapshot.source_sandbox_id)
    assert snapshot.source_sandbox_id == sb.id

    client.delete_sandbox(sb.name)

    with client.sandbox(snapshot_id=snapshot.id) as sb:
        sb.run("python -c 'import numpy; print(numpy.__version__)'")
        cfg = sb.read("/opt/config.yaml").decode()
        print(cfg)
    assert cfg == 'model: gpt-5\n'

    sb = client.create_sandbox(snapshot_name='ml-ready')
    snapshot = sb.capture_snapshot("ml-ready-v2", timeout=600)
    sb.delete()

    snapshots = client.list_snapshots()
    for s in snapshots:
        print(s.id, s.name, s.status)
    assert {'python', 'internal-python', 'ml-ready', 'ml-ready-v2'} <= {s.name for s in snapshots}
    page = client.list_snapshots(name_contains="ML-", limit=100, offset=1)
    assert [s.name for s in page] == ['ml-ready']

    snap = client.get_snapshot(snapshot.id)
    assert snap.name == 'ml-ready-v2'
    client.delete_snapshot(snapshot.id)

    sb = client.create_sandbox(snapshot_id=python.id, name="my-vm")
    sb.run("echo 'hello' > /tmp/state.txt")

    sb.stop()

    sb.start()

    result = sb.run("cat /tmp/state.txt")
    print(result.stdout.strip())  # "hello"
    assert result.stdout.strip() == 'hello'

    client.stop_sandbox("my-vm")
    client.start_sandbox("my-vm")
    sb.delete()

    from langsmith.sandbox import ResourceNotFoundError

    with pytest.raises(ResourceNotFoundError):
        client.get_snapshot(snapshot.id)
    client.registries.delete('here')
