"""`holdfast support-bundle`: all that somebody needs who helps, in one file, without the node's secrets.

Every piece is made by itself; one that can't be made leaves a note in its place. What is asked of a running node comes
from its API, the rest from its files, which are only read.
"""

import io
import os
import platform
import re
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import typer
import yaml
import zstandard

from holdfast import __version__
from holdfast.cli.bundle_journal import integrity_piece, journal_piece
from holdfast.cli.ledger import _from_file as ledger_of
from holdfast.cli.node_api import Api, File, Misused, as_json, file_of, find, settings_of
from holdfast.cli.redacting import Redactor, without
from holdfast.cli.status import glance
from holdfast.cli.traces import files_of
from holdfast.cli.words import many, size
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.node.clock_status import clock_status  # noqa: F401
from holdfast.node.doctor import run_checks
from holdfast.node.settings import NodePlan
from holdfast.reporting.questions import LinesWanted, TracesWanted
