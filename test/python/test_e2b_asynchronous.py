"""What E2B's asynchronous classes do, once around."""

import asyncio
import io
import random

import httpx
import pytest
from e2b import (
    AsyncSandbox,
    AsyncSecret,
    AsyncTemplate,
    AsyncVolume,
    AuthenticationException,
    BuildException,
    CommandExitException,
    FileNotFoundException,
    InvalidArgumentException,
    LogEntryEnd,
    LogEntryStart,
    PtySize,
    SandboxNotFoundException,
    SandboxNotRunningException,
    SandboxQuery,
    SandboxState,
    SecretNotFoundException,
    TemplateBuildStatus,
    TimeoutException,
    VolumeException,
    VolumeNotFoundException,
    VolumePathNotFoundException,
    wait_for_file,
)


async def until(condition):
    for _ in range(300):
        if condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come to be")


def asynchronously(tour):
    """A test of the asynchronous classes, with a sandbox of its own."""

    def test():
        async def run():
            sandbox = await AsyncSandbox.create(envs={"GIVEN": "yes"}, metadata={"of": tour.__name__})
            try:
                await tour(sandbox)
            finally:
                await sandbox.kill()

        asyncio.run(run())

    return test


@asynchronously
async def test_once_around(sandbox):
    await sandbox.files.write("/tmp/state", "captured")
    both = await asyncio.gather(sandbox.commands.run("echo one"), sandbox.commands.run("echo two"))
    assert [result.stdout for result in both] == ["one\n", "two\n"]
    snapshot = await sandbox.create_snapshot()
    started = await AsyncSandbox.create(snapshot.snapshot_id)
    assert await started.files.read("/tmp/state") == "captured"
    names, exits = [], []
    handle = await started.files.watch_dir("/tmp", lambda event: names.append(event.name), on_exit=exits.append)
    await started.files.write("/tmp/seen", "x")
    await until(lambda: "seen" in names)
    await handle.stop()
    assert exits == [None]
    await started.kill()
    assert await AsyncSandbox.delete_snapshot(snapshot.snapshot_id) is True


@asynchronously
async def test_life(sandbox):
    query = SandboxQuery(metadata={"of": "test_life"}, state=[SandboxState.RUNNING], template="base")
    pages = AsyncSandbox.list(query=query, limit=1, order="asc")
    assert [one.sandbox_id for one in await pages.next_items()] == [sandbox.sandbox_id] and not pages.has_next
    assert await sandbox.pause() is True and await sandbox.pause() is False
    for call in (
        lambda: sandbox.commands.run("true"),
        lambda: sandbox.files.read("/etc/passwd", format="stream"),
        lambda: sandbox.pty.create(PtySize(20, 70), print),
    ):
        with pytest.raises(SandboxNotRunningException):
            await call()
    await sandbox.connect()
    [fork] = await AsyncSandbox.fork(sandbox.sandbox_id)
    exits = []
    command = await fork.commands.run("sleep 1000", background=True, timeout=0)
    await fork.files.watch_dir("/tmp", print, on_exit=exits.append, timeout=0)
    assert await fork.kill() is True
    with pytest.raises(SandboxNotRunningException):
        await command.wait()
    await until(lambda: exits)
    assert type(exits[0]) is SandboxNotRunningException
    with pytest.raises(SandboxNotFoundException):
        await fork.get_info()

    command = await sandbox.commands.run("sleep 1000", background=True, timeout=0)
    assert await sandbox.pause(mode="filesystem") is True
    with pytest.raises(SandboxNotRunningException):
        await command.wait()


@asynchronously
async def test_commands(sandbox):
    commands = sandbox.commands
    seen = []

    async def collect(text):
        seen.append(text)

    done = await commands.run("echo $GIVEN; echo err >&2", on_stdout=collect, on_stderr=collect)
    assert (done.stdout, done.stderr, sorted(seen)) == ("yes\n", "err\n", ["err\n", "yes\n"])
    command = await commands.run("cat; exit 3", background=True, stdin=True)
    also = await commands.connect(command.pid, on_stdout=collect)
    async with commands.stream_input(command.pid) as typed:
        await typed.send("one ")
        await typed.send(b"two")
    await command.close_stdin()
    for handle in (command, also):
        with pytest.raises(CommandExitException) as failed:
            await handle.wait()
        assert (failed.value.stdout, failed.value.exit_code, handle.exit_code) == ("one two", 3, 3)
    with pytest.raises(TimeoutException):
        await commands.run("sleep 1000", timeout=0.5)
    left = await commands.run("sleep 0.3; echo > /tmp/finished", background=True)
    await left.disconnect()
    await commands.run("until [ -e /tmp/finished ]; do sleep 0.05; done")
    with pytest.raises(InvalidArgumentException, match="cwd '/no/such' does not exist"):
        await commands.run("true", cwd="/no/such")
    with pytest.raises(AuthenticationException, match="invalid username: 'nobody-here'"):
        await commands.run("true", user="nobody-here")

    shown = bytearray()
    terminal = await sandbox.pty.create(PtySize(rows=20, cols=70), shown.extend, envs={"IN": "pty"}, cwd="/tmp", user="root")
    async with sandbox.pty.stream_input(terminal.pid) as typed:
        await typed.send("echo $IN $PWD $(id -un); exit\n")
    await terminal.wait()
    assert b"pty /tmp root" in shown


@asynchronously
async def test_files(sandbox):
    files = sandbox.files

    async def pieces():
        for number in range(10):
            yield b"%d" % number

    await files.write("piecemeal", pieces(), gzip=True)
    assert await files.read("piecemeal", gzip=True) == "0123456789"
    big = random.randbytes(3_000_000)
    written = await files.write_files([{"path": "big", "data": io.BytesIO(big)}, {"path": "~/a b/ü", "data": "x"}])
    assert [one.path for one in written] == ["/home/user/big", "/home/user/a b/ü"]
    async with await files.read("big", format="stream") as stream:
        assert b"".join([piece async for piece in stream]) == big
    assert bytes(await files.read("big", format="bytes")) == big
    for path, error in (("none", FileNotFoundException), ("/tmp", InvalidArgumentException)):
        for format in ("text", "bytes", "stream"):
            with pytest.raises(error):
                await files.read(path, format=format)
    with pytest.raises(InvalidArgumentException, match="is below a file"):
        await files.write("big/below", "x")
    for url in (sandbox.download_url("big"), sandbox.download_url("big", user="user", use_signature_expiration=60)):
        assert httpx.get(url).content == big


def test_volumes_and_secrets():
    async def tour():
        volume = await AsyncVolume.create("asynchronous")
        await volume.write_file("/deep/file", "x", force=True, mode=0o600)
        assert [one.path for one in await volume.list("/", depth=2)] == ["/deep", "/deep/file"]
        assert b"".join([piece async for piece in await volume.read_file("/deep/file", format="stream")]) == b"x"
        with pytest.raises(VolumePathNotFoundException):
            await volume.read_file("/none")
        with pytest.raises(VolumeException):
            await volume.make_dir("/deep")
        assert await AsyncVolume.destroy(volume.volume_id) is True
        with pytest.raises(VolumeNotFoundException):
            await AsyncVolume.get_info(volume.volume_id)

        made = await AsyncSecret.create("asynchronous", "value", metadata={"of": "python"})
        assert (await AsyncSecret.update(made.secret_id, "next")).version == 2
        assert "asynchronous" in [one.name for one in await AsyncSecret.list(limit=100).next_items()]
        assert await AsyncSecret.destroy("asynchronous") is True
        with pytest.raises(SecretNotFoundException):
            await AsyncSecret.get_info("asynchronous")

    asyncio.run(tour())


def test_builds(tmp_path):
    (tmp_path / "a b.txt").write_text("copied\n")
    (tmp_path / "run.sh").write_text("echo script\n")
    (tmp_path / "link").symlink_to("run.sh")

    async def tour():
        template = (
            AsyncTemplate(file_context_path=tmp_path)
            .from_base_image()
            .set_envs({"SAID": "two words"})
            .set_workdir("/srv/app")
            .copy("*.txt", "/srv/x y/", user="root", mode=0o640)
            .copy_items([{"src": "run.sh", "dest": "."}, {"src": "link", "dest": "/srv/real", "resolveSymlinks": True}])
            .make_dir(["/home/user/one", "/home/user/two"], mode=0o700)
            .rename("/home/user/two", "/home/user/three")
            .make_symlink("/srv/real", "/home/user/ln")
            .remove("/home/user/one", recursive=True)
            .run_cmd(["git init -q --bare /home/user/bare", "pwd > /home/user/pwd"])
            .git_clone("/home/user/bare", "/home/user/clone", depth=1)
            .run_cmd("id -un > /srv/who", user="root")
            .set_user("root")
            .set_start_cmd("echo started > /srv/started; exec sleep 1000", wait_for_file("/srv/started"))
        )
        logs = []
        built = await AsyncTemplate.build(template, "asynchronous", tags=["v1"], memory_mb=512, on_build_logs=logs.append)
        assert [type(logs[0]), type(logs[-1])] == [LogEntryStart, LogEntryEnd]
        assert (await AsyncTemplate.get_build_status(built)).status == TemplateBuildStatus.READY
        assert await AsyncTemplate.exists("asynchronous")
        assert "v2" in (await AsyncTemplate.assign_tags("asynchronous:v1", "v2")).tags
        sandbox = await AsyncSandbox.create("asynchronous:v2")
        ran = await sandbox.commands.run(
            "cat '/srv/x y/a b.txt' /srv/app/run.sh /srv/real /srv/who /srv/started /home/user/pwd; echo $SAID; pwd; id -un;"
            "stat -c %U%a '/srv/x y/a b.txt' /home/user/three; readlink /home/user/ln; ls -d /home/user/clone/.git /home/user/one;"
            "pgrep -x sleep >/dev/null && echo runs",
        )
        assert ran.stdout.split("\n")[:-1] == [
            *("copied", "echo script", "echo script", "root", "started", "/srv/app", "two words", "/srv/app", "root"),
            *("root640", "user700", "/srv/real", "/home/user/clone/.git", "runs"),
        ]
        assert "/home/user/one" in ran.stderr
        await sandbox.kill()
        failing = AsyncTemplate().from_template("asynchronous").run_cmd("echo oops >&2; exit 3")
        with pytest.raises(BuildException, match="Step 1 failed with exit code 3"):
            await AsyncTemplate.build(failing, "failing")

    asyncio.run(tour())
