"""E2B's code interpreter: contexts that keep state, also across a snapshot."""

from e2b_code_interpreter import Sandbox


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
