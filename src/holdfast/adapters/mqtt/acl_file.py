"""Rules in a file of their own (`mqtt.acl_file`): read again when it changes, so that nobody has to restart a node."""

from pathlib import Path

import msgspec

from holdfast.adapters.mqtt.checks import of_rules
from holdfast.adapters.mqtt.door_settings import AclRule
from holdfast.kernel.documents import SettingsInvalid, load


class AclFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: the same list as `mqtt.acl`."""

    acl: tuple[AclRule, ...]


def read_rules(path: Path, *, has_groups: bool) -> tuple[AclRule, ...]:
    """The rules of a file. has_groups: there are users with groups.

    Raises:
        SettingsInvalid: with every problem, by line.
    """
    document = load(path, AclFile)
    found = of_rules(document.value.acl, has_groups=has_groups)
    problems = [document.problem(("acl", *where), text) for where, text in found]
    if problems:
        raise SettingsInvalid(problems)
    return document.value.acl
