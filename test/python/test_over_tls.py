"""Some of the other tests once more by domain over TLS, in a process of their own, set as `spawnpoint tls` says."""

import os
import pathlib
import subprocess
import sys

import pytest
from wildcard_dns import everything_is_here

HERE = pathlib.Path(__file__).parent

AGAIN = [
    "test_e2b_page.py",
    "test_novita_page.py",
    "test_code_interpreter.py::test_contexts_go_on_from_a_snapshot_each_by_itself",
    *(f"test_e2b_tour.py::test_{name}" for name in ("life", "commands", "files", "watch", "terminal")),
    "test_e2b_asynchronous.py::test_once_around",
]


def settings(**addresses):
    given = {name: value for name, value in os.environ.items() if not name.endswith(("_API_URL", "_SANDBOX_URL"))}
    return {**given, **addresses, "SERVER_IS_GIVEN": "1"}


@pytest.fixture(scope="module", autouse=True)
def names():
    with everything_is_here():
        yield


def run(*arguments, env):
    return subprocess.run([sys.executable, *arguments], cwd=HERE, env=env, capture_output=True, text=True)


def test_the_same_by_domain_over_tls():
    domain = os.environ["TLS_DOMAIN"]
    env = settings(E2B_DOMAIN=domain, NOVITA_DOMAIN=domain, SSL_CERT_FILE=os.environ["TLS_AUTHORITY"])
    ended = run("-m", "pytest", "-p", "no:cacheprovider", "--quiet", *AGAIN, env=env)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_who_does_not_know_the_authority_goes_no_further():
    ended = run("-c", "from e2b import Sandbox; Sandbox.create()", env=settings(E2B_DOMAIN=os.environ["TLS_DOMAIN"]))
    assert ended.returncode != 0 and "certificate" in ended.stderr.lower(), ended.stderr
