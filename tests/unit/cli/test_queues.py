"""`holdfast queue`, of a node that runs and of one that's stopped."""

from pathlib import Path

from tests.messages import message
from tests.running import Running, running
from tests.unit.cli.site import holdfast, told

from holdfast.journal import queues
from holdfast.journal.queues import Buried, Failure


def filled(node: Running) -> Path:
    """Three orders: one is done, one is dead, one waits."""
    submit = node.real.journal.submit

    async def fill() -> None:
        await submit(lambda tx: queues.put(tx, [message(n) for n in (1, 2, 3)], None))
        await submit(lambda tx: queues.ack(tx, "orders", [1]))
        failed = [Failure(2, "no \x1b[31mstock", buries=True)]
        await submit(lambda tx: queues.fail(tx, "orders", failed, 9, Buried()))

    node.do(fill())
    return node.folder / "node.yaml"


def test_queues_and_dead_letters_are_shown_by_the_node_and_from_its_file(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        settings = filled(node)
        running_says = told("queue", "list", settings), told("queue", "dead", settings, "orders", code=1)
        shown = holdfast("queue", "list", settings).stdout
        assert shown.splitlines()[0].split() == ["queue", "queued", "acked", "waiting", "dead", "dropped", "oldest"]
        assert shown.splitlines()[1].split()[:6] == ["orders", "3", "1", "1", "1", "0"]
        dead = holdfast("queue", "dead", settings, "orders", "--bodies")
        assert (dead.exit_code, "no \\x1b[31mstock" in dead.stdout, dead.stdout.endswith("2:\n2\n")) == (1, True, True)
        assert holdfast("queue", "dead", settings, "stock").stdout == "No dead letters in stock.\n"
        assert holdfast("queue", "dead", settings, "nothing").exit_code == 2
    assert (told("queue", "list", settings), told("queue", "dead", settings, "orders", code=1)) == running_says
    assert "the node is stopped" in holdfast("queue", "list", settings).stdout


def test_dead_letters_come_back_or_go(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        settings = filled(node)
        assert holdfast("queue", "replay", settings, "orders", "--ids", "7").stdout.startswith(
            "0 dead letters of orders"
        )
        assert holdfast("queue", "replay", settings, "orders").stdout == "1 dead letter of orders waits again.\n"
        assert holdfast("queue", "replay", settings, "orders", "--ids", "x").exit_code == 2
        node.do(bury(node))
        assert holdfast("queue", "drop", settings, "orders").exit_code == 2
    assert holdfast("queue", "drop", settings, "orders", "--ids", "2").stdout == "1 dead letter of orders is gone.\n"
    account, _ = told("queue", "list", settings)
    assert (account["dropped"], account["dead"], account["waiting"], account["residual"]) == (1, 0, 1, 0)


async def bury(node: Running) -> None:
    failed = [Failure(2, "again", buries=True)]
    await node.real.journal.submit(lambda tx: queues.fail(tx, "orders", failed, 9, Buried()))
