"""Limits on the memory, pixels and processor seconds of one upload. docs/data.md states the same numbers."""

from __future__ import annotations

MB = 2**20
# address space that the reading process may add after its start; 300 MB together with the process itself
MEMORY = 230 * MB
# of one image during decoding; the rest of MEMORY holds its file and the tables of the archive
IMAGE_BYTES = 160 * MB
ROW_BYTES = 16 * MB  # of one image in an npz; blending or rounding takes ten times as much
PIXELS = 50_000_000  # of one image; cameras make fewer
TOTAL_PIXELS = 1_500_000_000  # of all images together; 200 MB of photos hold about 800 million
SCANS = 10  # scans of a JPEG that count as one decoding; cameras and editors write 1 or 10
SECONDS = 3.0  # of processor time for every upload
FILE_S, PIXEL_S, BYTE_S = 2e-3, 20e-9, 40e-9  # added for each; three times the need of a two-core machine


def seconds(files: int, unpacked: int, pixels: int = 0) -> float:
    """Return the processor seconds allowed for an upload of ``files`` files, ``unpacked`` bytes and ``pixels`` pixels."""
    return SECONDS + FILE_S * files + BYTE_S * unpacked + PIXEL_S * pixels
