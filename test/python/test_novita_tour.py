"""What Novita's package has and E2B's has not."""

import asyncio

import pytest
from novita_sandbox.core import (
    AsyncSandbox,
    NotFoundException,
    Sandbox,
    SandboxException,
    Secret,
    TimeoutException,
    Volume,
)


def test_volumes_are_given_more_room_while_they_are_mounted():
    volume = Volume.create("tour", quota_size_gib=2)
    sandbox = Sandbox.create(volume_mounts={"/data": volume})
    try:
        sandbox.commands.run("echo kept > /data/file")
        assert Volume.update_quota(volume.volume_id, quota_size_gib=4).quota_size_gib == 4
        assert [one.quota_size_gib for one in Volume.list() if one.name == "tour"] == [4]
        assert Volume.get_info(volume.volume_id).used_size_bytes > 0
        assert sandbox.files.read("/data/file") == "kept\n"
    finally:
        sandbox.kill()
    assert Volume.destroy(volume.volume_id) is True
    with pytest.raises(NotFoundException):
        Volume.update_quota(volume.volume_id, quota_size_gib=4)


def test_secrets_are_placeholders_inside():
    made = Secret.create(name="TOUR", value="sk-secret", hosts=["api.test"], description="for the tour")
    assert (made.name, made.hosts, made.description, made.has_secret) == ("TOUR", ["api.test"], "for the tour", True)
    sandbox = Sandbox.create(secret_envs={"API_KEY": "TOUR"})
    try:
        assert sandbox.commands.run("echo $API_KEY").stdout == f"{made.placeholder}\n"
        assert "sk-secret" not in sandbox.commands.run("env").stdout
    finally:
        sandbox.kill()
    assert Secret.update(name="TOUR", value="next", hosts=["b.test"]).hosts == ["b.test"]
    assert [one.name for one in Secret.list() if one.name == "TOUR"] == ["TOUR"]
    assert Secret.delete("TOUR") == "TOUR"
    with pytest.raises(SandboxException, match="404"):
        Secret.get("TOUR")
    with pytest.raises(SandboxException, match="no secret TOUR"):
        Sandbox.create(secret_envs={"API_KEY": "TOUR"})


def test_what_is_connected_to_by_its_id_is_known_by_its_token_alone():
    sandbox = Sandbox.create()
    again = Sandbox.connect(sandbox.sandbox_id)
    again.files.write("/home/user/file", "x")
    assert again.commands.run("cat file").stdout == "x"
    assert again.is_running()
    assert again.kill() is True
    assert not again.is_running()
    with pytest.raises(TimeoutException):
        again.files.read("/home/user/file")


def test_asynchronously():
    async def tour():
        sandbox = await AsyncSandbox.create(metadata={"of": "novita"})
        await sandbox.files.write("/home/user/file", "x")
        clones = (await AsyncSandbox.clone(sandbox.sandbox_id, count=2, strict=True)).sandboxes
        read = await asyncio.gather(*[clone.files.read("/home/user/file") for clone in clones])
        assert read == ["x", "x"]
        await asyncio.gather(*[clone.kill() for clone in clones])
        again = await AsyncSandbox.connect(sandbox.sandbox_id)
        assert (await again.commands.run("cat file")).stdout == "x"
        await again.set_network(deny_out=["0.0.0.0/0"])
        assert (await again.get_info()).network == {"deny_out": ["0.0.0.0/0"]}
        assert (await AsyncSandbox.get_quota()).usage.concurrent_instances >= 1
        events = (await AsyncSandbox.get_events(sandbox_id=sandbox.sandbox_id, limit=1)).items
        assert [event.sandbox_id for event in events] == [sandbox.sandbox_id]
        assert await again.reset() is True
        assert not await again.files.exists("/home/user/file")
        assert await again.kill() is True

    asyncio.run(tour())
