"""Rules tried before they're at work: a text checked against what runs here, and rules run over this node's past."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdfast.backtesting.accounts import chosen_rules
from holdfast.backtesting.checking import checked
from holdfast.backtesting.differences import changes
from holdfast.backtesting.orders import Order
from holdfast.backtesting.service import Backtests, Run
from holdfast.journal.opening import Access
from holdfast.kernel.documents import SettingsInvalid, guard
from holdfast.node.rule_editor import problems_of, rules_in
from holdfast.stream.describing import explained
from holdfast.stream.rules import CompiledRule, Loaded
from holdfast.web.rule_answers import BacktestWish, RuleWords, TextChecked, TextInvalid, TextProblem

if TYPE_CHECKING:
    from holdfast.node.rulebook import RuleBook
    from holdfast.node.settings import NodePlan

_TEXT = ".text.yaml"
"""What a text is called that is in no file; problems are told under it."""


class RuleTrials:
    """Tries rules. Loop thread only."""

    def __init__(self, book: "RuleBook", plan: "NodePlan", access: Access) -> None:
        self._book, self._plan, self._access = book, plan, access
        self._path = plan.rule_sources.page / _TEXT
        self.backtests = Backtests(book.clock, plan.settings.rule_limits.backtest)

    async def check(self, text: str) -> TextChecked:
        """What is wrong with a text of rules, or what they do and what they change here."""
        return await asyncio.to_thread(self._checked, text)

    def _checked(self, text: str) -> TextChecked:
        try:
            loaded = self._loaded(text)
        except TextInvalid as invalid:
            return TextChecked(invalid.problems)
        mine = [rule for rule in loaded.rules if rule.name in loaded.places]
        shelf = self._book.shelf
        old = [rule for rule in (*shelf.at_work, *shelf.off) if rule.name in loaded.places]
        texts = rules_in(text)
        before = {name: one for rule in old for name, one in rules_in(self._book.editor.text(rule.name)).items()}
        changed, _ = changes(old, mine, (before, texts))
        words = [RuleWords(rule.name, rule.part, explained(rule, _mapping(texts.get(rule.name)))) for rule in mine]
        return TextChecked([], checked(mine, 0), words, changed, self._foreign(loaded))

    def _foreign(self, loaded: Loaded) -> list[str]:
        """The rules of a text whose names rules in files of the operator's own have."""
        page, places = self._plan.rule_sources.page, self._book.shelf.places
        return [name for name in loaded.places if name in places and places[name].file.parent != page]

    def _loaded(self, text: str) -> Loaded:
        """A text's rules, and those that they read from.

        Raises:
            TextInvalid: with every problem.
        """
        from holdfast.stream.language.loading import load_text  # noqa: PLC0415  # sqlglot: 8 MiB, for those with rules

        try:
            guard(text, self._path)
            loaded = load_text(text, self._path, self._book.shelf.documents())
            problems = list(self._book.check(loaded.rules))
        except SettingsInvalid as invalid:
            raise TextInvalid(problems_of(invalid, self._path)) from None
        if not loaded.places:
            raise TextInvalid([TextProblem(1, 1, "rules", "there is no rule in this text", "")])
        if problems:
            raise TextInvalid(problems_of(SettingsInvalid(problems), self._path))
        return loaded

    async def begin(self, wish: BacktestWish, from_ns: int, to_ns: int, by: str) -> Run:
        """Run rules over this node's past, beside those of the same names that are here now.

        Raises:
            TextInvalid, RuleUnknown, BacktestBusy: and nothing runs.
        """
        self.backtests.demand_room()
        shelf = self._book.shelf
        every = [*shelf.at_work, *shelf.off]
        old: Sequence[CompiledRule] = []
        if wish.text:
            loaded = await asyncio.to_thread(self._loaded, wish.text)
            new: Sequence[CompiledRule] = loaded.rules
            names = list(loaded.places)
            known = {rule.name for rule in every}
            old = [rule for name in names if name in known for rule in chosen_rules(every, name)]
        else:
            new, names = chosen_rules(every, wish.rule), [wish.rule]
        plan = self._plan
        order = Order(
            plan.settings.node,
            str(self._access.path),
            self._access.key,
            str(plan.data),
            plan.history,
            _documents(new),
            _documents(old),
            from_ns,
            to_ns,
            wish.series,
        )
        return self.backtests.start(uuid.uuid4().hex, order, names, by)


def _mapping(found: object) -> dict[str, object]:
    return found if isinstance(found, dict) else {}


def _documents(rules: Sequence[CompiledRule]) -> list[bytes]:
    return list(dict.fromkeys(rule.document for rule in rules))
