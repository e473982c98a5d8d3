"""The samples of Novita's page on snapshots, as they are there, but for the template: `base` needs no interpreter."""

import pytest


@pytest.fixture(autouse=True)
def template(monkeypatch):
    from novita_sandbox.code_interpreter import Sandbox

    monkeypatch.setattr(Sandbox, 'default_template', 'base')


def test_page():
    from novita_sandbox.code_interpreter import Sandbox

    sandbox = Sandbox.create()
    sandbox.commands.run("echo ready > /tmp/status.txt")

    snapshot = sandbox.create_snapshot()
    print(snapshot.snapshot_id)

    snapshot_id = snapshot.snapshot_id

    new_sandbox = Sandbox.create(template=snapshot_id)
    result = new_sandbox.commands.run("cat /tmp/status.txt")
    print(result.stdout)
    assert result.stdout == "ready\n"

    sandbox_id = sandbox.sandbox_id
    second = Sandbox.create_snapshot(sandbox_id)

    # List snapshots created from one sandbox.
    seen = []
    paginator = sandbox.list_snapshots(limit=20)

    while paginator.has_next:
        for snapshot in paginator.next_items():
            print(snapshot.snapshot_id)
            seen.append(snapshot.snapshot_id)
    assert set(seen) == {snapshot_id, second.snapshot_id}

    # Or list all snapshots.
    paginator = Sandbox.list_snapshots(limit=20)
    assert snapshot_id in [one.snapshot_id for one in paginator.next_items()]

    paginator = Sandbox.list_snapshots(sandbox_id=sandbox_id, limit=20)
    assert len(paginator.next_items()) == 2

    new_sandbox.kill()
    Sandbox.delete_snapshot(snapshot_id)

    remaining = Sandbox.list_snapshots(sandbox_id=sandbox_id, limit=20).next_items()
    assert [one.snapshot_id for one in remaining] == [second.snapshot_id]
    sandbox.kill()
