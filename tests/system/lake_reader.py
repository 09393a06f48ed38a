"""Reads a lake as it stands, with whatever reader is asked for; prints one JSON line.

    python lake_reader.py polars|duckdb|spark FOLDER

Run by whichever Python has the reader: it imports nothing of Holdfast.
"""

import json
import sys
from pathlib import Path
from typing import Any

TABLES = ("readings", "minutes")


def by_polars(lake: Path) -> Any:
    import polars as pl

    rows = pl.scan_parquet(f"{lake}/readings/**/*.parquet", hive_partitioning=True)
    good = rows.filter((pl.col("quality") != "bad") & pl.col("value").is_not_null())
    found = good.group_by("device", "metric").agg(pl.len().alias("n"), pl.col("value").mean().alias("mean"))
    distinct = rows.select(pl.struct("device", "metric", "ts", "ts_ns").n_unique().alias("n"), pl.len().alias("all"))
    table, (keys,) = found.collect().to_dicts(), distinct.collect().to_dicts()
    return {
        "rows": keys["all"],
        "distinct": keys["n"],
        "series": [[r["device"], r["metric"], r["n"], r["mean"]] for r in table],
    }


def by_duckdb(lake: Path) -> Any:
    import duckdb

    readings = f"read_parquet('{lake}/readings/**/*.parquet', hive_partitioning = true)"
    series = duckdb.execute(
        f"SELECT device, metric, count(*), avg(value) FROM {readings} "  # noqa: S608  # our own names
        "WHERE quality <> 'bad' AND value IS NOT NULL GROUP BY ALL"
    ).fetchall()
    (counts,) = duckdb.execute(
        f"SELECT count(*), count(DISTINCT (device, metric, ts, ts_ns)) FROM {readings}"  # noqa: S608
    ).fetchall()
    return {"rows": counts[0], "distinct": counts[1], "series": [list(row) for row in series]}


def by_spark(lake: Path) -> Any:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    spark.read.parquet(str(lake / "readings")).createOrReplaceTempView("readings")
    series = spark.sql(
        "SELECT device, metric, count(*), avg(value) FROM readings "
        "WHERE quality <> 'bad' AND value IS NOT NULL GROUP BY device, metric"
    ).collect()
    (counts,) = spark.sql("SELECT count(*), count(DISTINCT device, metric, ts, ts_ns) FROM readings").collect()
    return {"rows": counts[0], "distinct": counts[1], "series": [list(row) for row in series]}


if __name__ == "__main__":
    reader = {"polars": by_polars, "duckdb": by_duckdb, "spark": by_spark}[sys.argv[1]]
    print(json.dumps(reader(Path(sys.argv[2]))))
