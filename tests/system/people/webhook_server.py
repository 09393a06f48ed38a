"""An HTTP server that we didn't write: Flask with Werkzeug, as a process. What it takes goes to a file, a line each.

python -m tests.system.people.webhook_server PORT RECORD: POST takes; PUT /as/503 makes it answer so until PUT /as/200.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from flask import Flask, request

app = Flask(__name__)
answers: dict[str, Any] = {"status": 200}


@app.post("/<path:path>")
@app.post("/", defaults={"path": ""})
def hook(path: str) -> tuple[str, int]:
    status = int(answers["status"])
    if status < 300:
        line = {"path": path, "headers": dict(request.headers), "body": request.get_json(force=True)}
        with Path(sys.argv[2]).open("a") as record:
            record.write(json.dumps(line) + "\n")
            record.flush()
            os.fsync(record.fileno())
    return "ok", status


@app.put("/as/<int:status>")
def answer_as(status: int) -> str:
    answers["status"] = status
    return "ok"


if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[1]))
