"""Dockerfiles, as the vendors' clients have them built."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hyperbrowser import Hyperbrowser
from hyperbrowser.models import CreateSandboxParams
from langsmith.sandbox import ResourceCreationError, SandboxClient

pytestmark = pytest.mark.usefixtures('domain')

DOCKERFILE = """
FROM base AS build
ARG WHO=nobody
USER root
COPY *.txt /in/
RUN cat /in/*.txt > /out; echo "$WHO" >> /out
FROM base
COPY --from=build --chown=user /out /home/user/out
"""


@pytest.fixture
def context(tmp_path):
    (tmp_path / 'Dockerfile').write_text(DOCKERFILE)
    (tmp_path / 'a.txt').write_text('a\n')
    (tmp_path / 'b.txt').write_text('b\n')
    (tmp_path / '.dockerignore').write_text('b.*\n')
    return tmp_path


def test_hyperbrowser(context):
    client = Hyperbrowser()
    build = client.sandboxes.build_image_from_dockerfile(
        context_path=str(context), image_name='from-python', poll_interval=0.5
    )
    assert (build.status, build.image_name) == ('completed', 'from-python')
    assert build.image_id in [image.id for image in client.sandboxes.list_images().images]
    sandbox = client.sandboxes.create(CreateSandboxParams(image_name='from-python'))
    assert sandbox.exec('cat out; stat -c %U out').stdout == 'a\nnobody\nuser\n'
    sandbox.stop()
    # Who asks for the same at the same moment waits for it together; later it is there.
    with ThreadPoolExecutor() as several:
        asked = [
            several.submit(client.sandboxes.get_or_build_image, context_path=context, poll_interval=0.2) for _ in range(3)
        ]
        assert len({one.result().image_name for one in asked}) == 1
    assert client.sandboxes.get_or_build_image(context_path=context).outcome == 'reused'
    (context / 'Dockerfile').write_text('FROM base\nRUN sleep 1000\n')
    endless = client.sandboxes.build_image_from_dockerfile(context_path=str(context), image_name='endless', wait=False)
    assert client.sandboxes.cancel_image_build(endless.id).status == 'canceled'
    with pytest.raises(RuntimeError, match='image build canceled'):
        client.sandboxes.wait_for_image_build(endless.id)
    assert endless.id in [one.id for one in client.sandboxes.list_image_builds({'status': 'canceled'}).builds]
    (context / 'Dockerfile').write_text('FROM base\nRUN exit 3\n')
    with pytest.raises(RuntimeError, match=r'Dockerfile:2: \[2/2\] failed with exit code 3'):
        client.sandboxes.build_image_from_dockerfile(
            context_path=str(context), image_name='fails', poll_interval=0.5
        )


def test_langsmith(context):
    log = []
    with SandboxClient() as client:
        snapshot = client.create_snapshot_from_dockerfile(
            'from-python-too', 'Dockerfile', context=context, build_args={'WHO': 'you'}, on_build_log=log.append
        )
        assert (snapshot.name, snapshot.status) == ('from-python-too', 'ready')
        assert '[stage-1 2/2] COPY --from=build' in ''.join(log)
        with client.sandbox(snapshot_name='from-python-too') as box:
            assert box.run('cat /home/user/out').stdout == 'a\nyou\n'
        (context / 'Dockerfile').write_text('FROM base\nRUN exit 3\n')
        with pytest.raises(ResourceCreationError):
            client.create_snapshot_from_dockerfile('fails', 'Dockerfile', context=context)
