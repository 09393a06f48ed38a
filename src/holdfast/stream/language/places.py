"""Places on the earth: distances, and areas from GeoJSON (RFC 7946), as geofences need them."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
EARTH_M = 6_371_008.8
"""Mean radius of the earth (IUGG 1980), m."""
MOST_BYTES = 4 * 1024 * 1024
MOST_CORNERS = 10_000


def distance(lat: Any, lon: Any, lat0: Any, lon0: Any) -> Any:
    """Great-circle distance in m (haversine) on a sphere; at most 0.6 % off the ellipsoid's."""
    a, b = np.radians(lat), np.radians(lat0)
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.radians(lon0 - lon) / 2) ** 2
    return 2 * EARTH_M * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))


@dataclass(frozen=True, slots=True)
class Area:
    """Polygons with holes, as edges. starts, ends: (E, 2) longitude and latitude; box: west, south, east, north."""

    starts: Array
    ends: Array
    box: tuple[float, float, float, float]

    def inside(self, lat: Any, lon: Any) -> Any:
        """1 where a point is in it, 0 where not, NaN where the point isn't known. By the even-odd rule."""
        lat, lon = np.broadcast_arrays(np.asarray(lat, np.float64), np.asarray(lon, np.float64))
        shape = lat.shape
        lat, lon = lat.ravel(), lon.ravel()
        found = np.where(np.isnan(lat) | np.isnan(lon), np.nan, 0.0)
        west, south, east, north = self.box
        near = np.flatnonzero((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))
        if len(near):
            x, y = lon[near], lat[near]
            odd = np.zeros(len(near), np.bool_)
            for (x0, y0), (x1, y1) in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
                odd ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0 or 1.0) + x0)
            found[near] = odd
        return found.reshape(shape)


def area_at(path: Path) -> Area:
    """The area in a GeoJSON file: a polygon, several, or features that are.

    Raises:
        ValueError: when it can't be read or holds none.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path} is larger than {MOST_BYTES >> 20} MiB")
        rings = list[list[tuple[float, float]]]()
        _gather(json.loads(path.read_text(encoding="utf-8")), rings, 0)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} isn't JSON: {error}") from None
    except (TypeError, KeyError, AttributeError, IndexError):
        raise ValueError(f"{path} isn't GeoJSON") from None
    if not rings:
        raise ValueError(f"{path} holds no Polygon and no MultiPolygon")
    starts = np.array([corner for ring in rings for corner in ring[:-1]], np.float64)
    ends = np.array([corner for ring in rings for corner in ring[1:]], np.float64)
    if len(starts) > MOST_CORNERS:
        raise ValueError(f"{path} has more than {MOST_CORNERS:,} corners; simplify it")
    (west, south), (east, north) = starts.min(axis=0).tolist(), starts.max(axis=0).tolist()
    return Area(starts, ends, (west, south, east, north))


def _gather(  # noqa: C901  # one case per kind of geometry
    found: Any, rings: list[list[tuple[float, float]]], depth: int
) -> None:
    if depth > 8:
        raise ValueError("is nested too deeply")
    match found["type"]:
        case "FeatureCollection":
            for feature in found["features"]:
                _gather(feature, rings, depth + 1)
        case "Feature":
            if found["geometry"] is not None:
                _gather(found["geometry"], rings, depth + 1)
        case "GeometryCollection":
            for geometry in found["geometries"]:
                _gather(geometry, rings, depth + 1)
        case "Polygon":
            rings += [_ring(ring) for ring in found["coordinates"]]
        case "MultiPolygon":
            rings += [_ring(ring) for polygon in found["coordinates"] for ring in polygon]


def _ring(corners: Any) -> list[tuple[float, float]]:
    ring = [(float(corner[0]), float(corner[1])) for corner in corners]
    if len(ring) < 4 or ring[0] != ring[-1] or not all(math.isfinite(x) and math.isfinite(y) for x, y in ring):
        raise ValueError("a ring has at least four corners, the last of which is the first again (RFC 7946 §3.1.6)")
    return ring
