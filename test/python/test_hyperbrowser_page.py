"""The samples of Hyperbrowser's page on sandbox snapshots, as they are there."""

import time

import pytest
from hyperbrowser import Hyperbrowser

pytestmark = pytest.mark.usefixtures('domain')


def created(client, snapshot_id):
    while client.sandboxes.get_snapshot(snapshot_id).status != 'created':
        time.sleep(0.1)


def test_the_page():
    client = Hyperbrowser()

    from hyperbrowser.models import CreateSandboxParams

    sandbox = client.sandboxes.create(CreateSandboxParams(image_name='base'))

    from hyperbrowser.models import SandboxMemorySnapshotParams

    snapshot = sandbox.create_memory_snapshot(
        SandboxMemorySnapshotParams(
            snapshot_name="python-after-setup",
        )
    )

    print(f"Snapshot name: {snapshot.snapshot_name}")
    print(f"Snapshot ID: {snapshot.snapshot_id}")
    print(f"Status: {snapshot.status}")

    assert snapshot.snapshot_name == 'python-after-setup'
    assert snapshot.namespace and snapshot.image_name == 'base'
    created(client, snapshot.snapshot_id)
    sandbox.stop()

    from hyperbrowser.models import CreateSandboxParams

    sandbox = client.sandboxes.create(
        CreateSandboxParams(
            snapshot_name="python-after-setup",
            snapshot_id=snapshot.snapshot_id,  # if omitted uses the latest snapshot
        )
    )

    print(sandbox.id)
    assert sandbox.exec('echo here').stdout == 'here\n'
    sandbox.stop()

    from hyperbrowser.models import SandboxSnapshotListParams

    images = client.sandboxes.list_images()
    snapshots = client.sandboxes.list_snapshots(
        SandboxSnapshotListParams(
            status="created",
            limit=100,
        )
    )

    print([image.image_name for image in images.images])
    print([snapshot.snapshot_name for snapshot in snapshots.snapshots])
    assert 'base' in [image.image_name for image in images.images]
    assert snapshot.snapshot_id in [one.id for one in snapshots.snapshots]
    assert client.sandboxes.delete_snapshot('python-after-setup').deleted
    assert snapshot.snapshot_id not in [one.id for one in client.sandboxes.list_snapshots().snapshots]
