"""How an answer of rows is shown."""

from enum import Enum


class Format(Enum):
    """How an answer is shown."""

    TABLE = "table"
    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"
    PLOT = "plot"
