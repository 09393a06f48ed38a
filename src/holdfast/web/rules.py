"""Routes for rules: how they are and what they cost; reading their files again."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.web.deps import RuleBook
from holdfast.web.door import ADMIN, needs
from holdfast.web.parameters import only
from holdfast.web.responses import answer


class Rules:
    """The rules' routes of one node."""

    def __init__(self, book: RuleBook) -> None:
        self._book = book

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/rules", self.list),
            Route("/api/v1/rules/reload", self.reload, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """Every rule by name."""
        only(request.query_params)
        return answer(self._book.rows())

    @needs(ADMIN)
    async def reload(self, request: Request) -> Response:
        """Read the rules' files now."""
        only(request.query_params)
        return answer(await self._book.reload())
