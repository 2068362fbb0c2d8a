"""Memory that is left on this machine."""

from pathlib import Path


def available_memory(unknown: int = 16 * 2**30) -> int:
    """Bytes that processes can still have.

    Args:
        unknown: the answer where the system does not say.
    """
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return unknown
    found = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return unknown if found is None else int(found.split()[1]) * 1024
