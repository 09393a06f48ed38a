"""`holdfast command`, of a node that runs and of one that's stopped."""

from pathlib import Path

from tests.running import running
from tests.unit.cli.site import holdfast, told


def test_a_command_is_sent_waited_for_and_shown_by_the_node_and_from_its_file(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        settings = node.folder / "node.yaml"
        words = ("command", "send", settings, "press-1", "stop", "speed=3", "mode=eco", "--id", "c1")
        sent = holdfast(*words, "--deadline", "30s", "--wait")  # this node has no adapter
        assert sent.exit_code == 1
        assert 'stop {"mode":"eco","speed":3}' in sent.stdout
        assert "undeliverable" in sent.stdout
        assert holdfast(*words).stdout == "c1 undeliverable\n"
        other = holdfast("command", "send", settings, "press-1", "start", "--id", "c1")
        assert (other.exit_code, "another command was taken" in other.output) == (2, True)
        for wrong in (("press-1", "stop", "speed"), ("press-1", "stop", "--deadline", "soon"), ("press-1", "s p")):
            assert holdfast("command", "send", settings, *wrong).exit_code == 2
        shown = told("command", "list", settings), told("command", "show", settings, "c1", code=1)
        table = holdfast("command", "list", settings, "press-1").stdout.splitlines()
        assert table[1].split()[1:5] == ["gw", "press-1", "stop", "undeliverable"]
        assert holdfast("command", "list", settings, "press-2").stdout == "No commands.\n"
        assert holdfast("command", "show", settings, "c9").exit_code == 2
    assert (told("command", "list", settings), told("command", "show", settings, "c1", code=1)) == shown
    assert "the node is stopped" in holdfast("command", "list", settings, "press-1").stdout
    assert holdfast(*words).exit_code == 2
    assert holdfast("command", "show", settings, "c9").exit_code == 2
