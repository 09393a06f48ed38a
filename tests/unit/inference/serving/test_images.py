import asyncio
import io
import os
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pictures

from holdfast.inference.card import Image
from holdfast.inference.serving.images.decoding import Limits, row_of
from holdfast.inference.serving.images.errors import ImageRefused
from holdfast.inference.serving.images.service import Images, ImageTurnedAway
from holdfast.inference.serving.images.settings import ImageSettings
from holdfast.inference.serving.images.spool import Spool
from holdfast.inference.serving.images.under_way import Notes
from holdfast.inference.serving.images.watching import Watch
from holdfast.inference.serving.ports import Assignment, Deployment
from holdfast.inference.serving.service import Serving
from holdfast.inference.serving.settings import ServingSettings
from holdfast.kernel.clock import SystemClock
from holdfast.model.features import FeatureRows
from holdfast.model.predictions import Predictions, Results
from holdfast.telemetry.happenings import Happening

CLOCK = SystemClock()
WANT = Image(width=4, height=2)
LIMITS = Limits(most_pixels=1_000_000, most_bytes=1_000_000)


def png(pixels: Any, form: str = "PNG", **how: Any) -> bytes:
    out = io.BytesIO()
    Pictures.fromarray(np.asarray(pixels, np.uint8)).save(out, form, **how)
    return out.getvalue()


def pixels(width: int = 4, height: int = 2) -> Any:
    return np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)


def test_a_picture_of_the_right_size_is_its_pixels_laid_out_as_the_card_says() -> None:
    some = pixels()
    nchw = row_of(png(some), WANT, "stretch", LIMITS).reshape(3, 2, 4)
    np.testing.assert_allclose(nchw, some.transpose(2, 0, 1) / 255)
    layout = Image(width=4, height=2, layout="nhwc", mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1), scale=255.0)
    nhwc = row_of(png(some), layout, "stretch", LIMITS).reshape(2, 4, 3)
    np.testing.assert_allclose(nhwc, (some / 255 - (0.5, 0.4, 0.3)) / (0.2, 0.2, 0.1))


def test_grey_pictures_serve_coloured_models_and_the_other_way_round() -> None:
    grey = np.full((2, 4), 51, np.uint8)
    np.testing.assert_allclose(row_of(png(grey), WANT, "stretch", LIMITS), 0.2)
    one = row_of(png(pixels()), Image(width=4, height=2, channels=1), "stretch", LIMITS)
    assert one.shape == (8,)


def test_a_camera_that_stood_on_its_side_is_turned_back() -> None:
    upright = pixels(4, 2)
    exif = Pictures.Exif()
    exif[0x0112] = 6  # the camera was turned by 90° counterclockwise (EXIF 2.32, 4.6.4)
    lying = png(np.rot90(upright), exif=exif)
    np.testing.assert_allclose(
        row_of(lying, WANT, "stretch", LIMITS).reshape(3, 2, 4).transpose(1, 2, 0), upright / 255
    )


@pytest.mark.parametrize(("fit", "left", "middle"), [("stretch", 0.0, 1.0), ("crop", 1.0, 1.0), ("pad", 0.0, 1.0)])
def test_another_shape_is_made_to_fit(fit: Any, left: float, middle: float) -> None:
    wide = np.zeros((8, 32, 3), np.uint8)
    wide[:, 8:24] = 255
    row = row_of(png(wide), Image(width=8, height=8), fit, LIMITS).reshape(3, 8, 8)
    assert row[0, 4, 0] == left
    assert row[0, 4, 4] == middle
    if fit == "pad":
        assert row[0, 0].max() == 0.0


def test_a_large_jpeg_comes_out_as_when_it_was_decoded_whole() -> None:
    y, x = np.mgrid[0:960, 0:1280]
    smooth = np.stack([x * 255 / 1280, y * 255 / 960, (x + y) * 255 / 2240], axis=2).astype(np.uint8)
    data = png(smooth, "JPEG", quality=92)
    limits = Limits(most_pixels=2_000_000, most_bytes=1_000_000)
    small = row_of(data, Image(width=96, height=96), "stretch", limits).reshape(3, 96, 96).transpose(1, 2, 0)
    whole = Pictures.open(io.BytesIO(data)).convert("RGB").resize((96, 96), Pictures.Resampling.BILINEAR)
    assert np.abs(small - np.asarray(whole) / 255).max() < 0.02


def test_a_bomb_is_refused_by_its_head_before_a_pixel_is_decoded() -> None:
    head = b"\x89PNG\r\n\x1a\n"

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    for side in (20_000, 10_000, 2**31 - 1):
        size = side.to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
        bomb = head + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
        with pytest.raises(ImageRefused) as refused:
            row_of(bomb, WANT, "stretch", LIMITS)
        assert refused.value.reason == "too_large"


def test_more_bytes_than_allowed_are_refused() -> None:
    with pytest.raises(ImageRefused, match="1,000,001 bytes; 1,000,000 are taken"):
        row_of(b"x" * 1_000_001, WANT, "stretch", LIMITS)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"not a picture", png(pixels(64, 64))[:-4000]])
def test_what_is_no_whole_picture_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(ImageRefused, match="it can't be decoded: ") as refused:
        row_of(data, WANT, "stretch", LIMITS)
    assert refused.value.reason == "unreadable"
    assert refused.value.hint == "JPEG, PNG, WEBP, BMP are taken"


@given(st.sampled_from(["PNG", "JPEG", "BMP", "WEBP"]), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255))))
def test_whatever_bytes_are_spoilt_there_is_a_row_or_a_refusal(form: str, spoilt: list[tuple[int, int]]) -> None:
    data = bytearray(png(pixels(16, 16), form))
    for at, byte in spoilt:
        data[at % len(data)] = byte
    try:
        assert row_of(bytes(data), WANT, "stretch", LIMITS).shape == (24,)
    except ImageRefused as refused:
        assert refused.reason in ("unreadable", "too_large")  # noqa: PT017  # most rows are no refusals


def write(at: Path, data: bytes, second: int) -> Path:
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_bytes(data)
    os.utime(at, ns=(second * 10**9, second * 10**9))
    return at


def test_files_are_found_oldest_first_once_they_no_longer_change(tmp_path: Path) -> None:
    watch = Watch(tmp_path, deletes=False, keep=10)
    write(tmp_path / "b.png", b"1", 20)
    write(tmp_path / "hall" / "a.JPG", b"1", 10)
    growing = write(tmp_path / "c.png", b"1", 5)
    for no_picture in (".hidden.png", "notes.txt", "done/old.png", "refused/bad.png", "hall/deep/d.png"):
        write(tmp_path / no_picture, b"1", 1)
    assert watch.look() == []
    write(growing, b"12", 5)
    assert [(one.folder, Path(one.path).name) for one in watch.look()] == [("hall", "a.JPG"), ("", "b.png")]
    assert len(watch.look()) == 3


def test_what_was_settled_is_moved_and_only_so_many_are_kept(tmp_path: Path) -> None:
    watch = Watch(tmp_path, deletes=False, keep=3)
    for second in range(9, 14):
        write(tmp_path / "hall" / f"{second}.png", b"1", second)
    watch.look()
    for found in watch.look():
        watch.settle(found, refused=False)
    names = sorted(path.name.split("-", 1)[1] for path in (tmp_path / "done").iterdir())
    assert names == ["hall-11.png", "hall-12.png", "hall-13.png"]
    assert list((tmp_path / "hall").iterdir()) == []


class Brightness:
    """A scorer of pictures: how bright they are."""

    name, version, labels, width = "brightness", "1.0.0", (), 24
    is_raising = False

    def predict(self, values: Any) -> Predictions:
        if self.is_raising:
            raise ArithmeticError("too dark")
        n = len(values)
        return Predictions(values.mean(axis=1), np.full(n, -1, np.int32), np.full(n, np.nan))


class Hall:
    """A serving, its pictures, and what was told; results are stored as they're told."""

    def __init__(self, settings: ImageSettings, scorer: Brightness, folder: Path, spool: Spool | None) -> None:
        self.told: list[Results] = []
        self.happened: list[Happening] = []
        self.is_storing = True
        self.stored = set[tuple[str, int]]()
        """Of the lives before."""
        self.serving = Serving(ServingSettings(), CLOCK, tell=self._tell, emit=self.happened.append)
        self.serving.adopt([Deployment("hall", [("active", "m")], budget_s=5.0)], {"m": scorer})
        offer: Callable[[FeatureRows], None] = lambda rows: self.serving.offer(  # noqa: E731  # short
            rows, [Assignment("hall", "active", "m")]
        )
        self.images = Images(
            "hall", settings, WANT, node="gw", clock=CLOCK, offer=offer, emit=self.happened.append,
            notes=Notes(folder), is_stored=self._is_stored, spool=spool,
        )  # fmt: skip

    async def _is_stored(self, camera: str, ts_ns: int) -> bool:
        return (camera, ts_ns) in self.stored

    def _tell(self, results: Results) -> None:
        self.told.append(results)
        if self.is_storing:
            self.images.stored(results)

    @property
    def said(self) -> list[tuple[str, float]]:
        return [
            (one.places[key][1], round(float(score), 3))
            for one in self.told
            for key, score in zip(one.key, one.predictions.score, strict=True)
        ]


def live(
    settings: ImageSettings,
    story: Callable[[Hall], Awaitable[None]],
    scorer: Brightness | None = None,
    *,
    folder: Path,
    spool: Spool | None = None,
    stored: Sequence[tuple[str, int]] = (),
) -> Hall:
    async def lived() -> Hall:
        hall = Hall(settings, scorer or Brightness(), folder / ".notes", spool)
        hall.stored.update(stored)
        task = asyncio.ensure_future(hall.images.run())
        try:
            await story(hall)
        finally:
            task.cancel()
            await hall.serving.stop(1.0)
        return hall

    return asyncio.run(lived())


async def until(is_so: Callable[[], bool]) -> None:
    end = CLOCK.monotonic() + 10
    while not is_so():
        assert CLOCK.monotonic() < end, "it never came"
        await asyncio.sleep(0.005)


def grey(level: int) -> bytes:
    return png(np.full((2, 4, 3), level, np.uint8))


def test_files_are_scored_in_order_as_their_cameras_and_moved_once_stored(tmp_path: Path) -> None:
    for number, (name, level) in enumerate([("press/a.png", 51), ("lathe/b.png", 102), ("press/c.png", 153)]):
        write(tmp_path / name, grey(level), 10)
        os.utime(tmp_path / name, ns=(10**10 + number // 2, 10**10 + number // 2))
    write(tmp_path / "press" / "bad.png", b"no picture", 5)
    write(tmp_path / "press" / "twin.png", grey(153), 10)
    os.utime(tmp_path / "press" / "twin.png", ns=(10**10 + 1, 10**10 + 1))

    async def story(hall: Hall) -> None:
        await until(lambda: len(list(tmp_path.glob("done/*"))) == 4)
        status = hall.images.status()
        assert (status.taken, status.refused, status.state) == (4, 1, "ok")

    hall = live(ImageSettings(folder=str(tmp_path), every=0.02), story, folder=tmp_path)
    assert hall.said == [("lathe", 0.4), ("press", 0.2), ("press", 0.6), ("press", 0.6)]
    assert len({(int(one.key[0]), int(one.ts[0])) for one in hall.told}) == 4
    assert [path.name.split("-", 1)[1] for path in (tmp_path / "refused").iterdir()] == ["press-bad.png"]
    (turned,) = [one for one in hall.happened if isinstance(one, ImageTurnedAway)]
    assert (turned.camera, turned.reason) == ("press", "unreadable")


def test_a_file_whose_result_was_not_stored_is_still_there_and_scored_in_the_next_life(tmp_path: Path) -> None:
    write(tmp_path / "a.png", grey(51), 10)
    settings = ImageSettings(folder=str(tmp_path), every=0.02, camera="gate", then="delete")

    async def killed(hall: Hall) -> None:
        hall.is_storing = False
        await until(lambda: len(hall.told) == 1)
        await asyncio.sleep(0.05)

    live(settings, killed, folder=tmp_path)
    assert (tmp_path / "a.png").exists()

    async def again(_: Hall) -> None:
        await until(lambda: not (tmp_path / "a.png").exists())

    assert live(settings, again, folder=tmp_path).said == [("gate", 0.2)]


def test_a_file_whose_result_was_stored_is_not_scored_in_the_next_life(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.png", grey(51), 10), write(tmp_path / "b.png", grey(102), 10)
    settings = ImageSettings(folder=str(tmp_path), every=0.02, camera="gate", then="delete")

    async def killed(hall: Hall) -> None:
        hall.is_storing = False
        await until(lambda: len(hall.told) == 1)

    live(settings, killed, folder=tmp_path)

    async def again(_: Hall) -> None:
        await until(lambda: not first.exists() and not second.exists())

    hall = live(settings, again, folder=tmp_path, stored=[("gate", 10 * 10**9)])
    assert hall.said == [("gate", 0.4)]
    assert hall.told[0].ts.tolist() == [10 * 10**9 + 1]  # that of the first is taken


def test_many_files_of_one_moment_have_times_of_their_own(tmp_path: Path) -> None:
    for name in "abcd":
        write(tmp_path / f"{name}.png", grey(51), 10)

    async def story(hall: Hall) -> None:
        await until(lambda: hall.images.status().taken == 4)

    hall = live(ImageSettings(folder=str(tmp_path), every=0.02, camera="gate"), story, folder=tmp_path)
    assert [int(one.ts[0]) - 10 * 10**9 for one in hall.told] == [0, 1, 2, 3]


def spool_at(folder: Path, most: int = 10, most_bytes: int = 10_000, largest: int = 5_000) -> Spool:
    spool = Spool(folder / "spool", most, most_bytes, largest)
    spool.recall()
    return spool


async def come(spool: Spool, camera: str, data: bytes, ts_ns: int) -> None:
    spool.admit(camera, data)
    await spool.keep(camera, data, ts_ns)


def test_pictures_of_messages_are_scored_in_order_as_their_cameras_whatever_these_are_called(tmp_path: Path) -> None:
    spool, names = spool_at(tmp_path), ["gate", "hall/2 north", "..", "tür%3A", "done"]

    async def story(hall: Hall) -> None:
        for place, name in enumerate(names):
            await come(spool, name, grey(51 * (1 + place % 2)), 7)
        await come(spool, "gate", grey(51)[:50], 3)
        await until(lambda: hall.images.status().taken == 5 and hall.images.status().refused == 1)

    hall = live(ImageSettings(), story, folder=tmp_path, spool=spool)
    assert [name for name, _ in hall.said] == names
    assert [int(one.ts[0]) for one in hall.told] == [7, 8, 9, 10, 11]
    assert (spool.waiting, spool.waiting_bytes) == (0, 0)
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["refused"]


def test_pictures_that_wait_are_recalled_and_half_written_ones_are_not(tmp_path: Path) -> None:
    async def before() -> None:
        spool = spool_at(tmp_path)
        for ts_ns in (5, 4):
            await come(spool, "gate", grey(ts_ns), ts_ns)

    asyncio.run(before())
    (tmp_path / "spool" / ".00000000000000000009-gate.png.new").write_bytes(b"half")
    (tmp_path / "spool" / "notes.txt").write_bytes(b"somebody's")
    spool = spool_at(tmp_path)
    assert spool.waiting == 2
    assert not list((tmp_path / "spool").glob(".*"))
    found = [spool.take(), spool.take(), spool.take()]
    assert [None if one is None else (one.folder, one.modified_ns) for one in found] == [("gate", 5), ("gate", 6), None]


@pytest.mark.parametrize(
    ("camera", "data", "reason"),
    [
        ("gate", b"x" * 5_001, "too_large"),
        ("gate", b"GIF89a", "unreadable"),
        ("gate", b"", "unreadable"),
        ("é" * 40, b"BM", "name"),
    ],
)
def test_what_will_never_be_scored_is_refused_at_the_door(
    tmp_path: Path, camera: str, data: bytes, reason: str
) -> None:
    spool = spool_at(tmp_path)
    with pytest.raises(ImageRefused) as refused:
        spool.admit(camera, data)
    assert (refused.value.reason, spool.waiting, spool.waiting_bytes) == (reason, 0, 0)


def test_no_more_wait_than_may_in_number_and_in_bytes_and_room_comes_back(tmp_path: Path) -> None:
    async def story() -> None:
        spool = spool_at(tmp_path, most=2, most_bytes=5_000)
        data = b"BM" + b"x" * 2_998
        await come(spool, "gate", data, 1)
        with pytest.raises(ImageRefused, match="1 pictures of 3,000 bytes wait") as refused:
            spool.admit("gate", data)
        assert refused.value.reason == "busy"
        await come(spool, "gate", b"BM", 2)
        with pytest.raises(ImageRefused, match="2 pictures"):
            spool.admit("gate", b"BM")
        found = spool.take()
        assert found is not None
        await spool.settle(found, refused=False)
        spool.admit("gate", data)

    asyncio.run(story())


def test_a_disk_that_takes_nothing_is_said_and_holds_no_room(tmp_path: Path) -> None:
    async def story() -> None:
        spool = spool_at(tmp_path)
        (tmp_path / "spool").rmdir()
        (tmp_path / "spool").write_bytes(b"in the way")
        spool.admit("gate", b"BM")
        with pytest.raises(ImageRefused, match="can't be written") as refused:
            await spool.keep("gate", b"BM", 1)
        assert (refused.value.reason, spool.waiting) == ("busy", 0)

    asyncio.run(story())


def test_refused_pictures_are_kept_in_bounded_bytes(tmp_path: Path) -> None:
    watch = Watch(tmp_path, deletes=True, keep=100, keep_bytes=25)
    for second in range(1, 6):
        write(tmp_path / f"{second}.png", b"x" * 10, second)
    watch.look()
    for found in watch.look():
        watch.settle(found, refused=True)
    assert sorted(path.name.split("-")[1] for path in (tmp_path / "refused").iterdir()) == ["4.png", "5.png"]


def test_one_that_got_no_answer_is_asked_for_with_its_time_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.inference.serving.images.service.PATIENCE_S", 0.05)
    monkeypatch.setattr("holdfast.inference.serving.images.service.REST_S", 0.1)
    spool = spool_at(tmp_path)

    async def story(hall: Hall) -> None:
        await until(lambda: hall.serving.is_warm("m"))
        hall.is_storing = False
        await come(spool, "gate", grey(51), 7)
        await until(lambda: hall.images.status().unanswered >= 1)
        hall.is_storing = True
        await until(lambda: hall.images.status().taken == 1)
        assert {int(one.ts[0]) for one in hall.told} == {7}

    live(ImageSettings(), story, folder=tmp_path, spool=spool)


def test_a_folder_that_is_not_there_is_said_once_and_taken_up_when_it_comes(tmp_path: Path) -> None:
    folder = tmp_path / "later"

    async def story(hall: Hall) -> None:
        await until(lambda: hall.images.status().state == "folder_unusable")
        await asyncio.sleep(0.06)
        write(folder / "gate" / "a.png", grey(51), 10)
        await until(lambda: hall.images.status().taken == 1)
        assert hall.images.status().state == "ok"
        assert len(hall.happened) == 1

    live(ImageSettings(folder=str(folder), every=0.02), story, folder=tmp_path)


def test_a_file_that_gets_no_answer_stays_and_is_tried_again_after_a_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.inference.serving.images.service.PATIENCE_S", 0.05)
    monkeypatch.setattr("holdfast.inference.serving.images.service.REST_S", 0.1)
    write(tmp_path / "a.png", grey(51), 10)
    scorer = Brightness()

    async def story(hall: Hall) -> None:
        await until(lambda: hall.serving.is_warm("m"))
        scorer.is_raising = True
        await until(lambda: hall.images.status().unanswered == 1)
        assert hall.images.status().state == "resting"
        assert (tmp_path / "a.png").exists()
        scorer.is_raising = False
        await until(lambda: hall.images.status().taken == 1)

    live(ImageSettings(folder=str(tmp_path), every=0.05), story, scorer, folder=tmp_path)


def test_limits_are_compared_with_what_is_wanted() -> None:
    assert changed(LIMITS, most_pixels=8).most_pixels == 8
    with pytest.raises(ImageRefused, match="4 by 2 pixels; 7 are taken"):
        row_of(png(pixels()), WANT, "stretch", changed(LIMITS, most_pixels=7))
