"""The site's memory in Parquet files: pieces are made from the journal, merged, rolled up, read, and let go."""
