"""The end of a command in the same commit as what it asked for: done once, whatever is killed in between.

For commands that this node carries out itself in its own journal. A device's are ended by `CommandService.end`.
"""

from collections.abc import Callable

from holdfast.commands.desk import Open
from holdfast.commands.errors import CommandError
from holdfast.commands.service import CommandService
from holdfast.commands.writes import end_and_tell
from holdfast.journal.transaction import Transaction
from holdfast.model.command import Answer, State


class CommandOver(CommandError):
    """It had ended meanwhile, so what it asked for isn't done."""

    hint = "ask again, with another id"


class Ending:
    """One command's. While it's held, the deadline doesn't end the command; `settle` or `let_go` must follow."""

    def __init__(
        self,
        service: CommandService,
        one: Open,
        also: Callable[[Transaction, Answer], None] = lambda _tx, _answer: None,
    ) -> None:
        """also: written with the end, whatever it is."""
        self._service, self._one, self._also = service, one, also
        self._is_written = False
        one.is_ending = True

    def write(self, tx: Transaction, answer: Answer | None = None) -> None:
        """End it in this commit. answer: None = it's done.

        Raises:
            CommandOver: it had ended; raised through the transaction, which undoes what was asked for.
        """
        command, told = self._one.command, answer or Answer(State.DONE)
        event = self._service.telling(command, told, self._service.clock.wall_ns())
        if not end_and_tell(tx, command.id, told, event):
            raise CommandOver(f"command {command.id} had ended")
        self._also(tx, told)
        self._is_written = True

    async def settle(self, answer: Answer, *, failed: bool = False) -> None:
        """It's over: written already, or else now. failed: what was to be written with it wasn't."""
        try:
            if failed or not self._is_written:
                await self._service.journal.submit(lambda tx: self.write(tx, answer))
        except CommandOver:
            self._service.over(self._one, None)
        else:
            self._service.over(self._one, answer)

    def let_go(self) -> None:
        """Nothing came of it now; it's tried again until its deadline."""
        self._one.is_ending = False
