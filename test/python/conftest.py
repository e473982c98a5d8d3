"""One server for all tests, set as a user of the vendors' packages sets theirs: by environment variables."""

import json
import os
import pathlib
import signal
import subprocess

import pytest
from wildcard_dns import everything_is_here

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def server():
    if "SERVER_IS_GIVEN" in os.environ:
        yield
        return
    command = ["node", "--conditions=development", str(HERE / "server.ts"), "--code-interpreter"]
    process = subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        # What it says about building images comes first.
        line = next(line for line in process.stdout if line.startswith("{"))
        os.environ.update(json.loads(line))
        yield
    finally:
        process.stdin.close()
        status = process.wait(timeout=60)
    assert status == 0


@pytest.fixture(autouse=True)
def ends():
    """A test that waits for what never comes fails, rather than holding up everything."""

    def late(*_):
        raise TimeoutError("the test did not end within 180 s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(180)
    yield
    signal.alarm(0)


@pytest.fixture(scope="module")
def domain():
    """Where sandboxes have addresses of their own: they are found, and their authority is trusted."""
    before = os.environ.get("SSL_CERT_FILE")
    with everything_is_here():
        os.environ["SSL_CERT_FILE"] = os.environ["TLS_AUTHORITY"]
        yield
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before
