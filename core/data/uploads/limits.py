"""The most that one upload may cost: memory, pixels and seconds of computing. docs/data.md states the same numbers."""

from __future__ import annotations

MB = 2**20
MEMORY = (
    230 * MB
)  # address space that the reading process may take beyond its start: 300 MB with the process itself
IMAGE_BYTES = (
    160 * MB
)  # of one image while it is decoded; the rest of MEMORY holds its file and the tables of the archive
ROW_BYTES = 16 * MB  # of one image of an npz; blending or rounding it takes ten times as much
PIXELS = 50_000_000  # of one image: more than cameras make
TOTAL_PIXELS = 1_500_000_000  # of all images together: 200 MB of photos hold about 800 million
SCANS = 10  # of a JPEG, at which its pixels count once; cameras and editors write 1 or 10
SECONDS = 3.0  # of computing that every upload gets
FILE_S, PIXEL_S, BYTE_S = 2e-3, 20e-9, 40e-9  # added for each: three times what a two-core machine needed


def seconds(files: int, unpacked: int, pixels: int = 0) -> float:
    """Return the seconds of computing that an upload of so many files, unpacked bytes and pixels may take."""
    return SECONDS + FILE_S * files + BYTE_S * unpacked + PIXEL_S * pixels
