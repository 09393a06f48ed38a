"""Models that were published as artifacts (`holdfast model publish`): from this node, else from the one above."""

import asyncio

from holdfast.artifacts.digests import digest_of
from holdfast.artifacts.service import Artifacts
from holdfast.inference.door import Trier
from holdfast.inference.runtimes.port import Options
from holdfast.inference.store import Entry, ModelStore
from holdfast.kernel.errors import HoldfastError

PREFIX = "artifact:"
"""Before the digest in `model: artifact:…`."""
WITHIN_S = 60.0


def is_published(ref: str) -> bool:
    """Does a deployment name its model by the digest it was published under?"""
    return ref.startswith(PREFIX)


async def fetched_model(
    artifacts: Artifacts,
    store: ModelStore,
    ref: str,
    within_s: float = WITHIN_S,
    options: Options | None = None,
    trier: Trier | None = None,
) -> Entry:
    """A published model in this node's store, fetched where it must be; pinned, so it's there without a link.

    ref: `artifact:<digest>`; within_s: how long to wait for it, fetching goes on after that
    options, trier: as of `ModelStore.add`, which verifies card and file, and tries it

    Raises:
        ArtifactLate: it isn't here yet: ask again.
        HoldfastError: it can't be had, is no bundle, or is no model that works here; the sentence says what to do.
    """
    digest = digest_of(ref.removeprefix(PREFIX))
    await artifacts.get(digest, within_s)
    return await asyncio.to_thread(_added, artifacts, store, digest, options, trier)


def _added(artifacts: Artifacts, store: ModelStore, digest: str, options: Options | None, trier: Trier | None) -> Entry:
    with artifacts.store.unpacked(digest) as folder:
        entry, _ = store.add(folder, options, trier)
    entry_here = artifacts.store.entry(digest)
    if entry_here is None:
        raise HoldfastError(f"{digest[:12]}… went while it was unpacked")
    if not entry_here.pinned:
        artifacts.store.pin(digest, on=True)
    return entry
