"""The samples of E2B's page on snapshots, as they are there."""


def test_create_a_snapshot():
    from e2b import Sandbox

    sandbox = Sandbox.create()

    # Create a snapshot from a running sandbox
    snapshot = sandbox.create_snapshot()
    print('Snapshot ID:', snapshot.snapshot_id)

    sandbox_id = sandbox.sandbox_id

    from e2b import Sandbox

    # Create a snapshot by sandbox ID
    snapshot = Sandbox.create_snapshot(sandbox_id)
    print('Snapshot ID:', snapshot.snapshot_id)

    assert snapshot.snapshot_id
    assert sandbox.sandbox_id == sandbox_id
    assert sandbox.commands.run('echo still running').stdout == 'still running\n'
    sandbox.kill()


def test_create_a_sandbox_from_a_snapshot():
    from e2b import Sandbox

    sandbox = Sandbox.create()
    sandbox.files.write('/tmp/state', 'captured')

    from e2b import Sandbox

    snapshot = sandbox.create_snapshot()

    # Create a new sandbox from the snapshot
    new_sandbox = Sandbox.create(snapshot.snapshot_id)

    assert new_sandbox.sandbox_id != sandbox.sandbox_id
    assert new_sandbox.files.read('/tmp/state') == 'captured'
    new_sandbox.kill()
    sandbox.kill()


def test_list_and_delete():
    from e2b import Sandbox

    sandbox = Sandbox.create()
    snapshot = sandbox.create_snapshot()

    from e2b import Sandbox

    paginator = Sandbox.list_snapshots()

    snapshots = []
    while paginator.has_next:
        items = paginator.next_items()
        snapshots.extend(items)
    assert snapshot.snapshot_id in [one.snapshot_id for one in snapshots]

    paginator = Sandbox.list_snapshots(sandbox_id=sandbox.sandbox_id)
    snapshots = paginator.next_items()
    assert [one.snapshot_id for one in snapshots] == [snapshot.snapshot_id]

    from e2b import Sandbox

    Sandbox.delete_snapshot(snapshot.snapshot_id)

    assert Sandbox.delete_snapshot(snapshot.snapshot_id) is False
    assert Sandbox.list_snapshots(sandbox_id=sandbox.sandbox_id).next_items() == []
    sandbox.kill()
