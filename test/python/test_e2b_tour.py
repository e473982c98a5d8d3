"""What else E2B's package does, once around; test_e2b_asynchronous.py is about its asynchronous classes."""

import time
import uuid

import pytest
from e2b import (
    AuthenticationException,
    CommandExitException,
    FileNotFoundException,
    Sandbox,
    SandboxException,
    SandboxQuery,
    SandboxState,
)


@pytest.fixture
def sandbox():
    sandbox = Sandbox.create(timeout=300, metadata={"of": "python"}, envs={"GIVEN": "yes"})
    yield sandbox
    sandbox.kill()


def test_life(sandbox):
    info = sandbox.get_info()
    assert info.sandbox_id == sandbox.sandbox_id
    assert info.metadata == {"of": "python"}
    assert info.state == SandboxState.RUNNING
    assert info.cpu_count > 0 and info.memory_mb > 0
    found = Sandbox.list(query=SandboxQuery(metadata={"of": "python"})).next_items()
    assert sandbox.sandbox_id in [one.sandbox_id for one in found]
    sandbox.set_timeout(600)
    assert sandbox.is_running()

    sandbox.commands.run("echo kept > /tmp/kept; sleep 1000 >/dev/null 2>&1 & echo $! > /tmp/pid")
    sandbox.pause()
    assert not sandbox.is_running()
    again = Sandbox.connect(sandbox.sandbox_id)
    assert again.commands.run("cat /tmp/kept; kill -0 $(cat /tmp/pid) && echo alive").stdout == "kept\nalive\n"
    assert again.get_metrics() is not None


def test_one_sandbox_for_one_key():
    key = str(uuid.uuid4())
    first, again = (Sandbox.create(idempotency_key=key) for _ in range(2))
    assert first.sandbox_id == again.sandbox_id
    assert again.commands.run("echo same").stdout == "same\n"
    first.kill()


def test_forks(sandbox):
    sandbox.files.write("/tmp/state", "before")
    forks = sandbox.fork(count=2)
    children = [getattr(fork, "sandbox", fork) for fork in forks]
    assert len({child.sandbox_id for child in children} | {sandbox.sandbox_id}) == 3
    for child in children:
        assert child.files.read("/tmp/state") == "before"
        child.kill()


def test_snapshots_of_files_alone(sandbox):
    sandbox.commands.run("echo kept > /home/user/kept; echo gone > /tmp/gone")
    snapshot = sandbox.create_snapshot(mode="filesystem")
    started = Sandbox.create(snapshot.snapshot_id)
    assert started.commands.run("cat /home/user/kept; ls /tmp/gone 2>/dev/null || echo none").stdout == "kept\nnone\n"
    started.kill()
    assert Sandbox.delete_snapshot(snapshot.snapshot_id) is True


def test_commands(sandbox):
    out = []
    result = sandbox.commands.run("echo $GIVEN $MORE; id -un; pwd", envs={"MORE": "more"}, cwd="/tmp", on_stdout=out.append)
    assert result.stdout == "yes more\nuser\n/tmp\n" and "".join(out) == result.stdout
    assert sandbox.commands.run("id -un", user="root").stdout == "root\n"
    with pytest.raises(CommandExitException) as failed:
        sandbox.commands.run("echo out; echo err >&2; exit 3")
    assert (failed.value.exit_code, failed.value.stdout, failed.value.stderr) == (3, "out\n", "err\n")
    handle = sandbox.commands.run("cat", background=True, stdin=True)
    assert handle.pid in [process.pid for process in sandbox.commands.list()]
    handle.send_stdin("line\n")
    handle.close_stdin()
    assert handle.wait().stdout == "line\n"
    typed = sandbox.commands.run("cat", background=True, stdin=True)
    sandbox.commands.stream_input(typed.pid, [b"one ", "two"])
    sandbox.commands.close_stdin(typed.pid)
    assert typed.wait().stdout == "one two"
    sleeper = sandbox.commands.run("sleep 1000", background=True)
    assert sandbox.commands.connect(sleeper.pid).pid == sleeper.pid
    assert sleeper.kill() is True
    with pytest.raises(CommandExitException):
        sleeper.wait()
    assert sandbox.commands.kill(sleeper.pid) is False


def test_files(sandbox):
    files = sandbox.files
    written = files.write("dir/text", "héllo")
    assert written.path == "/home/user/dir/text"
    assert files.read("dir/text") == "héllo"
    assert bytes(files.read("dir/text", format="bytes")) == "héllo".encode()
    files.write_files([{"path": "dir/a", "data": b"\x00\xff"}, {"path": "dir/b", "data": "b"}])
    assert sorted(entry.name for entry in files.list("dir")) == ["a", "b", "text"]
    info = files.get_info("dir/a")
    assert (info.size, info.owner, info.permissions) == (2, "user", "-rw-r--r--")
    assert files.make_dir("dir/sub") is True and files.make_dir("dir/sub") is False
    assert files.rename("dir/a", "dir/c").path == "/home/user/dir/c"
    files.remove("dir/c")
    assert not files.exists("dir/c")
    with pytest.raises(FileNotFoundException):
        files.read("nothing")


def test_watch(sandbox):
    sandbox.files.make_dir("watched")
    watcher = sandbox.files.watch_dir("watched", recursive=True)
    sandbox.files.write("watched/file", "x")
    names = set()
    for _ in range(100):
        names |= {event.name for event in watcher.get_new_events()}
        if "file" in names:
            break
        time.sleep(0.1)
    assert "file" in names
    watcher.stop()


def test_terminal(sandbox):
    from e2b.sandbox.commands.command_handle import PtySize

    terminal = sandbox.pty.create(PtySize(rows=20, cols=70))
    sandbox.pty.resize(terminal.pid, PtySize(rows=30, cols=100))
    sandbox.pty.send_stdin(terminal.pid, b"stty size; exit 4\n")
    shown = bytearray()
    with pytest.raises(CommandExitException) as ended:
        terminal.wait(on_pty=shown.extend)
    assert b"30 100" in shown and ended.value.exit_code == 4


def test_git(sandbox):
    sandbox.git.init("/home/user/repository")
    sandbox.files.write("/home/user/repository/file", "x")
    sandbox.git.add("/home/user/repository")
    sandbox.git.commit("/home/user/repository", "first", author_name="A", author_email="a@example.com")
    assert sandbox.git.status("/home/user/repository").is_clean


def test_what_goes_wrong(sandbox):
    with pytest.raises(SandboxException, match="template 'no-such-template' not found"):
        Sandbox.create("no-such-template")
    with pytest.raises(AuthenticationException):
        Sandbox.create(api_key="e2b_" + "0" * 64)
    sandbox.kill()
    assert sandbox.kill() is False
    assert sandbox.is_running() is False
