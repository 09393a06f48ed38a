"""Write the API's description to docs/reference/openapi.json: `python scripts/openapi.py`."""

from pathlib import Path

from holdfast.web.openapi import written

if __name__ == "__main__":
    path = Path(__file__).parents[1] / "docs" / "reference" / "openapi.json"
    path.write_bytes(written())
