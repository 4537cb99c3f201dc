"""The fewest pages: by an integer program for small demands, and a lower bound for any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_matrix

from sources.planner.rectangles import CallLimits


@dataclass(frozen=True, slots=True)
class Least:
    """The fewest pages found, and the most that is proven to be needed."""

    pages: int
    bound: int

    @property
    def proven(self) -> bool:
        return self.pages == self.bound


def fewest_pages(missing: npt.NDArray[np.bool_], limits: CallLimits, seconds: float) -> Least:
    """Minimise pages over windows that begin and end where something is missing, keys chosen freely for each.

    One whole variable per window (its pages) and one yes or no per key and window; every missing cell lies in a
    chosen window of its key, and a window's keys × steps fit its pages.
    """
    keys, steps = missing.shape
    used = np.flatnonzero(missing.any(axis=0)).tolist()
    windows = [(a, b) for a in used for b in used if a <= b < a + limits.width]
    choice = {
        (key, number): len(windows) + place
        for place, (key, number) in enumerate(
            (key, number)
            for number, (a, b) in enumerate(windows)
            for key in range(keys)
            if missing[key, a : b + 1].any()
        )
    }
    entries: list[tuple[int, int, float]] = []
    low: list[float] = []
    for key, step in np.argwhere(missing).tolist():
        for number, (a, b) in enumerate(windows):
            if a <= step <= b:
                entries.append((len(low), choice[key, number], 1))
        low.append(1)
    for number, (a, b) in enumerate(windows):
        entries.append((len(low), number, limits.page_rows))
        for key in range(keys):
            if (key, number) in choice:
                entries.append((len(low), choice[key, number], -(b - a + 1) * limits.step_rows))
        low.append(0)
    size = len(windows) + len(choice)
    rows, columns, values = zip(*entries, strict=True)
    matrix = coo_matrix((values, (rows, columns)), shape=(len(low), size)).tocsr()
    cost = np.concatenate([np.ones(len(windows)), np.zeros(len(choice))])
    upper = np.concatenate([np.full(len(windows), float(keys * steps)), np.ones(len(choice))])
    found = milp(
        cost,
        constraints=LinearConstraint(matrix, low, np.inf),
        integrality=np.ones(size),
        bounds=Bounds(0, upper),
        options={"time_limit": seconds},
    )
    pages = keys * steps if found.x is None else round(found.fun)
    return Least(pages, int(np.ceil(found.mip_dual_bound - 1e-6)))


def lower_bound(missing: npt.NDArray[np.bool_], limits: CallLimits) -> int:
    """Calls that no plan can do without: by the rows of the missing cells, and by the windows that they span."""
    windows, reach = 0, -1
    for step in np.flatnonzero(missing.any(axis=0)).tolist():
        if step > reach:
            windows, reach = windows + 1, step + limits.width - 1
    return max(windows, -(-int(missing.sum()) * limits.step_rows // limits.page_rows))
