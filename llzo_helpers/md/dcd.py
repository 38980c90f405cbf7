"""The DCD format as LAMMPS writes it: sizes, and a header without the time of day."""

from pathlib import Path

# The DCD format as LAMMPS writes it: a header, and in each frame the records cell, x, y and z
_DCD_HEADER_BYTES = 276
_DCD_RECORD_MARKERS = 8


def dcd_bytes(n_frames: int, n_atoms: int) -> int:
    """Return the size of a whole DCD file."""
    frame = 6 * 8 + 3 * 4 * n_atoms + 4 * _DCD_RECORD_MARKERS
    return _DCD_HEADER_BYTES + n_frames * frame


# Bytes of a DCD file's header where LAMMPS writes the time of day
_DCD_REMARK = slice(180, 260)


def erase_creation_time(frames: Path) -> None:
    """Replace the remark that holds the time of day, so that equal runs make equal files."""
    remark = b"REMARKS unwrapped positions in angstrom"
    with frames.open("r+b") as file:
        file.seek(_DCD_REMARK.start)
        file.write(remark.ljust(_DCD_REMARK.stop - _DCD_REMARK.start))
