"""Exact 3-D median filter from merging networks: no sorting of 125 values at every voxel.

Neighbouring windows share most of their voxels, so sorted parts of them are shared too (the idea of Adams, "Fast median filters
using separable sorting networks", ACM TOG 40(4), 2021, carried to three dimensions): rows of `n` voxels are sorted once for all
`n^2` windows that hold them, merged into sorted n x n slabs for all `n` windows along i, and the n-1 slabs common to two
neighbouring windows are merged once for both. Merges are Batcher's odd-even merges (Knuth, TAOCP vol. 3, 5.3.4) of which only the
comparators that the median depends on are kept. Each comparator is one `numpy.minimum` or `numpy.maximum` over a block of voxels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

_BLOCK_ROWS = 64
"""Rows of a plane worked on at a time: bounds the memory, fastest from about here on with any cache measured."""

Wires = list[int]
Block = NDArray[np.float32]


@dataclass
class Network:
    """A list of minima and maxima in single-assignment form: wire ids, inputs first."""

    inputs: int
    operations: list[tuple[bool, int, int]] = field(default_factory=list)
    """(take the maximum, left wire, right wire); operation number m makes wire `inputs + m`."""

    def minimum(self, left: int, right: int) -> int:
        """Wire that carries the smaller value."""
        return self._append(False, left, right)

    def maximum(self, left: int, right: int) -> int:
        """Wire that carries the larger value."""
        return self._append(True, left, right)

    def _append(self, larger: bool, left: int, right: int) -> int:
        self.operations.append((larger, left, right))
        return self.inputs + len(self.operations) - 1

    def merge(self, left: Wires, right: Wires) -> Wires:
        """Odd-even merge of two sorted lists of wires."""
        if not left or not right:
            return left or right
        if len(left) == len(right) == 1:
            return [self.minimum(left[0], right[0]), self.maximum(left[0], right[0])]
        even = self.merge(left[0::2], right[0::2])
        odd = self.merge(left[1::2], right[1::2])
        merged = even[:1]
        for low, high in zip(odd, even[1:], strict=False):
            merged += [self.minimum(low, high), self.maximum(low, high)]
        shared = min(len(odd), len(even) - 1)
        return merged + odd[shared:] + even[1 + shared :]

    def sort(self, wires: Wires) -> Wires:
        """Merge sort."""
        if len(wires) < 2:
            return wires
        half = len(wires) // 2
        return self.merge(self.sort(wires[:half]), self.sort(wires[half:]))

    def select(self, left: Wires, right: Wires, rank: int) -> int:
        """Wire with the value of this rank (0 = smallest) among two sorted lists.

        The rank + 1 smallest values are the first i of one list and the first rank + 1 - i of the other; over all splits, the
        smallest of their maxima is the value sought.
        """
        splits = []
        for count in range(max(0, rank + 1 - len(right)), min(len(left), rank + 1) + 1):
            other = rank + 1 - count
            ends = ([left[count - 1]] if count else []) + ([right[other - 1]] if other else [])
            splits.append(self.maximum(*ends) if len(ends) == 2 else ends[0])
        smallest = splits[0]
        for split in splits[1:]:
            smallest = self.minimum(smallest, split)
        return smallest

    def program(self, outputs: Wires) -> Program:
        """The operations that `outputs` depend on, with few buffers in use at a time; no output may be an input."""
        needed, last_use = set(outputs), dict.fromkeys(outputs, len(self.operations))
        for number in range(len(self.operations) - 1, -1, -1):
            if self.inputs + number in needed:
                for wire in self.operations[number][1:]:
                    needed.add(wire)
                    last_use.setdefault(wire, number)
        place = {wire: wire for wire in range(self.inputs)} | {wire: self.inputs + n for n, wire in enumerate(outputs)}
        slots = self.inputs + len(outputs)
        free: list[int] = []
        steps = []
        for number, (larger, left, right) in enumerate(self.operations):
            wire = self.inputs + number
            if wire not in needed:
                continue
            # The buffer of a wire that is read for the last time can take the result: the comparators work element by element.
            free += [place[w] for w in (left, right) if last_use[w] == number and w >= self.inputs]
            if wire not in outputs:
                place[wire] = free.pop() if free else slots
                slots = max(slots, place[wire] + 1)
            steps.append((larger, place[left], place[right], place[wire]))
        return Program(self.inputs, len(outputs), slots, tuple(steps))


@dataclass(frozen=True)
class Program:
    """A pruned `Network`: steps are (take the maximum, left, right, target) over numbered buffers, inputs first."""

    inputs: int
    outputs: int
    slots: int
    steps: tuple[tuple[bool, int, int, int], ...]

    def run(self, inputs: list[Block], targets: Block, scratch: Block) -> None:
        """Compute the outputs into the rows of `targets`.

        Parameters
        ----------
        inputs : list of array, shape (length,)
            One block for each input wire.
        targets : array, shape (outputs, >= length)
        scratch : array, shape (>= slots - inputs - outputs, >= length)
            Working memory.
        """
        length = inputs[0].size
        blocks = [*inputs, *targets[:, :length], *scratch[: self.slots - self.inputs - self.outputs, :length]]
        for larger, left, right, target in self.steps:
            (np.maximum if larger else np.minimum)(blocks[left], blocks[right], out=blocks[target])


@dataclass(frozen=True)
class Plan:
    """The programs for one window size n, applied one after the other.

    row: n neighbours along k -> sorted row. row_pair, slab: sorted rows -> sorted n x n slab. slab_pair: two slabs -> sorted.
    medians: n-1 slabs in sorted pairs, the slab before and the slab after them -> the medians of two windows.
    """

    row: Program
    row_pair: Program
    slab: Program
    slab_pair: Program
    medians: Program

    @property
    def slots(self) -> int:
        """Rows of scratch memory that any of the programs needs."""
        return max(p.slots - p.inputs - p.outputs for p in (self.row, self.row_pair, self.slab, self.slab_pair, self.medians))


def _merge_of(*lengths: int) -> Program:
    """Program that merges sorted lists of these lengths, first to last."""
    network = Network(sum(lengths))
    starts = np.cumsum((0, *lengths))
    merged: Wires = []
    for start, length in zip(starts[:-1], lengths, strict=True):
        merged = network.merge(merged, list(range(int(start), int(start) + length)))
    return network.program(merged)


@cache
def plan(size: int) -> Plan:
    """The programs for windows of `size` (odd, at least 3) voxels a side."""
    rows, pairs = size * size, size // 2
    sort = Network(size)
    median = Network(rows * (2 * pairs + 2))
    common: Wires = []
    for pair in range(pairs):
        common = median.merge(common, list(range(2 * rows * pair, 2 * rows * (pair + 1))))
    # Of the common voxels only those can be the median that `rows` further voxels may still move to the middle.
    middle = size**3 // 2
    candidates = common[middle - rows : middle + 1]
    outputs = [median.select(candidates, list(range(start, start + rows)), rows) for start in (2 * rows * pairs, rows * (2 * pairs + 1))]
    return Plan(
        row=sort.program(sort.sort(list(range(size)))),
        row_pair=_merge_of(size, size),
        slab=_merge_of(*[2 * size] * pairs, size),
        slab_pair=_merge_of(rows, rows),
        medians=median.program(outputs),
    )


def median_valid(data: Block, size: int) -> Block:
    """Median of every full window.

    Parameters
    ----------
    data : array of float32, shape (i, j, k)
        Without NaN.
    size : int
        Voxels a side, odd, at least 3.

    Returns
    -------
    array of float32, shape (i - size + 1, j - size + 1, k - size + 1)
    """
    reach = size - 1
    out = np.empty(tuple(n - reach for n in data.shape), np.float32)
    for start in range(0, out.shape[1], _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, out.shape[1])
        _median_rows(np.ascontiguousarray(data[:, start : stop + reach]), size, out[:, start:stop])
    return out


def _median_rows(data: Block, size: int, out: Block) -> None:
    """`median_valid` for one block of rows.

    Planes are flattened, so that a shift along k is an offset of 1 and a shift along j one of a row's width: every comparator then
    works on contiguous memory. Windows that wrap around the end of a row are computed too, and not read.
    """
    programs, reach, width = plan(size), size - 1, data.shape[2]
    flat = data.reshape(len(data), -1)
    length = out.shape[1] * width - reach
    scratch = np.empty((programs.slots, flat.shape[1]), np.float32)
    rows = np.empty((size, flat.shape[1] - reach), np.float32)
    row_pairs = np.empty((2 * size, rows.shape[1] - width), np.float32)
    slabs = np.empty((size + 1, size * size, length), np.float32)
    pairs = np.empty((size // 2, 2 * size * size, length), np.float32)
    medians = np.empty((2, out.shape[1] * width), np.float32)

    def make_slab(plane: Block, target: Block) -> None:
        programs.row.run([plane[shift : shift + rows.shape[1]] for shift in range(size)], rows, scratch)
        programs.row_pair.run([row[shift : shift + row_pairs.shape[1]] for shift in (0, width) for row in rows], row_pairs, scratch)
        parts = [row[shift * width :][:length] for shift in range(0, reach, 2) for row in row_pairs]
        programs.slab.run(parts + [row[reach * width :][:length] for row in rows], target, scratch)

    # Windows first and first + 1 share the planes from first + 1 to first + size - 1: size // 2 pairs of an odd and an even plane.
    made = 0
    for first in range(0, len(out), 2):
        while made <= min(first + size, len(data) - 1):
            make_slab(flat[made], slabs[made % (size + 1)])
            if made and made % 2 == 0:
                both = [*slabs[(made - 1) % (size + 1)], *slabs[made % (size + 1)]]
                programs.slab_pair.run(both, pairs[(made // 2 - 1) % (size // 2)], scratch)
            made += 1
        # After the last plane the second window does not exist; whatever lies in the ring is computed with and not read.
        ends = [*slabs[first % (size + 1)], *slabs[(first + size) % (size + 1)]]
        programs.medians.run([wire for pair in pairs for wire in pair] + ends, medians[:, :length], scratch)
        for window in range(min(2, len(out) - first)):
            out[first + window] = medians[window].reshape(out.shape[1], width)[:, : out.shape[2]]
