from pathlib import Path

from holdfast.node.machine import filesystem_of, is_clock_synchronised

MOUNTS = """\
overlay / overlay rw 0 0
/dev/sda1 /srv ext4 rw 0 0
tmpfs /srv/my\\040data tmpfs rw 0 0
broken
"""


def test_the_deepest_mount_holds_the_path() -> None:
    assert filesystem_of(Path("/srv/data"), MOUNTS) == "ext4"
    assert filesystem_of(Path("/srv/my data/deep"), MOUNTS) == "tmpfs"
    assert filesystem_of(Path("/srvx"), MOUNTS) == "overlay"


def test_without_mounts_the_type_is_unknown() -> None:
    assert filesystem_of(Path("/srv"), "") == ""


def test_this_machine_answers(tmp_path: Path) -> None:
    assert filesystem_of(tmp_path)
    assert is_clock_synchronised() in (True, False, None)
