"""E2B's code interpreter: contexts that keep state, also across a snapshot; the asynchronous class."""

import asyncio

import pytest
from e2b import InvalidArgumentException, NotFoundException, TimeoutException
from e2b_code_interpreter import AsyncSandbox, Sandbox


def test_contexts_go_on_from_a_snapshot_each_by_itself():
    sandbox = Sandbox.create()
    execution = sandbox.run_code("x = 40\nprint('out')\nx + 2")
    assert execution.text == "42" and execution.logs.stdout == ["out\n"]
    failed = sandbox.run_code("1 / 0")
    assert failed.error.name == "ZeroDivisionError"
    context = sandbox.create_code_context()
    sandbox.run_code("y = 'of this context'", context=context)
    assert sandbox.run_code("y", context=context).text == 'of this context'
    assert sandbox.run_code("y").error.name == "NameError"

    snapshot = sandbox.create_snapshot()
    clone = Sandbox.create(snapshot.snapshot_id)
    assert clone.run_code("x += 1; x").text == "41"
    assert sandbox.run_code("x += 2; x").text == "42"
    clone.kill()
    sandbox.kill()


def test_asynchronously():
    async def tour():
        sandbox = await AsyncSandbox.create(envs={"GIVEN": "of the sandbox"})
        lines, results, errors = [], [], []

        async def collect(message):
            lines.append((message.line, message.error))

        async def run(code, **options):
            return await sandbox.run_code(
                code, on_stdout=collect, on_stderr=collect, on_result=results.append, on_error=errors.append, **options
            )

        code = "import os, sys; print(os.environ['GIVEN']); print('err', file=sys.stderr); display(1); {'two': 2}"
        execution = await run(code, envs={"GIVEN": "of the code"})
        assert sorted(lines) == [("err\n", True), ("of the code\n", False)]
        assert [result.text for result in results] == ["1", "{'two': 2}"] and execution.text == "{'two': 2}"
        assert (await run("raise ValueError('mine')")).error is errors[0] and errors[0].value == "mine"

        context = await sandbox.create_code_context(cwd="/tmp")
        assert (context.language, context.cwd) == ("python", "/tmp")
        both = await asyncio.gather(sandbox.run_code("os.getcwd()"), sandbox.run_code("import os; os.getcwd()", context=context))
        assert [one.text for one in both] == ["/home/user", "/tmp"]
        assert context.id in [one.id for one in await sandbox.list_code_contexts()]
        await sandbox.remove_code_context(context)
        with pytest.raises(NotFoundException):
            await sandbox.run_code("1", context=context)
        with pytest.raises(InvalidArgumentException):
            await sandbox.run_code("1", context=context, language="python")

        with pytest.raises(TimeoutException, match="Execution timed out"):
            await sandbox.run_code("import time; kept = 1; time.sleep(1000)", timeout=0.5)
        assert (await sandbox.run_code("kept")).text == "1"
        await sandbox.kill()

    asyncio.run(tour())
