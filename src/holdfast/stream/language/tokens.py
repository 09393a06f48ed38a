"""What rules write beyond SQL, made SQL before it is parsed.

- `80 'degC'` and `power 'W'` become calls of `in_unit`; the unit in `… as t 'Cel'` is taken out and told apart.
- Every function's name gets a prefix, so that sqlglot parses all calls alike instead of each by its own rules.
"""

from dataclasses import dataclass, field

from sqlglot.tokens import Token, Tokenizer, TokenType  # type: ignore[attr-defined,unused-ignore]  # newer ones re-export

PREFIX = "hf__"
IN_UNIT = "in_unit"
_NO_FUNCTIONS = frozenset(
    [
        "all",
        "and",
        "any",
        "as",
        "between",
        "by",
        "case",
        "cross",
        "distinct",
        "else",
        "end",
        "escape",
        "except",
        "exists",
        "filter",
        "from",
        "full",
        "group",
        "having",
        "ilike",
        "in",
        "inner",
        "intersect",
        "is",
        "join",
        "lateral",
        "left_join",
        "like",
        "limit",
        "not",
        "on",
        "or",
        "order",
        "outer",
        "over",
        "partition",
        "qualify",
        "rlike",
        "select",
        "some",
        "table",
        "then",
        "union",
        "unnest",
        "using",
        "values",
        "when",
        "where",
        "window",
        "with",
        "within",
    ]
)
_NAMES = frozenset({TokenType.VAR, TokenType.IDENTIFIER})


@dataclass(slots=True)
class Prepared:
    """SQL for the parser.

    units:  of columns, by name, as in `… as t 'Cel'`
    shifts: (position in `sql`, how many characters were put in before it), ascending
    """

    sql: str
    units: dict[str, str] = field(default_factory=dict)
    shifts: list[tuple[int, int]] = field(default_factory=list)

    def original(self, position: int) -> int:
        """Where a character of `sql` stood in the text."""
        before = 0
        for at, more in self.shifts:
            if at <= position:
                before = more
        return position - before


def prepare(text: str) -> Prepared:
    """The text as plain SQL.

    Raises:
        sqlglot.errors.TokenError: when it isn't made of SQL's words.
    """
    tokens = Tokenizer().tokenize(text)
    edits = list[tuple[int, int, str]]()  # (from, to, what stands there instead)
    units = dict[str, str]()
    for i, token in enumerate(tokens):
        following = tokens[i + 1].token_type if i + 1 < len(tokens) else None
        if following is TokenType.L_PAREN and _is_function(tokens, i):
            edits.append((token.start, token.start, PREFIX))
        elif following is TokenType.STRING:
            edits += _unit(text, tokens, i, units)
    sql, shifts, done, grown = "", list[tuple[int, int]](), 0, 0
    for start, end, instead in sorted(edits):
        sql += text[done:start] + instead
        grown += len(instead) - (end - start)
        shifts.append((len(sql), grown))
        done = end
    return Prepared(sql + text[done:], units, shifts)


def _is_function(tokens: list[Token], i: int) -> bool:
    name = tokens[i].text
    is_word = name.replace("_", "a").isalnum() and not name[:1].isdigit()
    quoted = tokens[i].token_type in (TokenType.IDENTIFIER, TokenType.STRING)
    return is_word and not quoted and name.lower() not in _NO_FUNCTIONS


def _unit(text: str, tokens: list[Token], i: int, units: dict[str, str]) -> list[tuple[int, int, str]]:
    token, unit = tokens[i], tokens[i + 1]
    if token.token_type is TokenType.NUMBER:
        start = token.start
    elif token.token_type in _NAMES or (i and tokens[i - 1].token_type is TokenType.DOT):
        if i and tokens[i - 1].token_type is TokenType.ALIAS:
            units[token.text] = unit.text
            return [(token.end + 1, unit.end + 1, "")]
        first = i
        while first >= 2 and tokens[first - 1].token_type is TokenType.DOT:
            first -= 2
        start = tokens[first].start
    else:
        return []
    return [
        (start, start, f"{PREFIX}{IN_UNIT}("),
        (token.end + 1, unit.end + 1, f", {text[unit.start : unit.end + 1]})"),
    ]
