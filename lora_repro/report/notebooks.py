"""``lora-repro notebooks FOLDER``: execute notebooks and keep their outputs.

Needs the extra ``notebooks``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lora_repro.errors import ConfigError, DataError
from lora_repro.records import write_atomically

TIMEOUT = 300  # seconds a cell


def execute(path: Path) -> str:
    """One notebook, executed in its own folder; its text with outputs, without times and machine names.

    Raises:
        DataError: a cell raised; the message has its traceback.
        ConfigError: what executes notebooks is not installed.
    """
    try:
        import ipykernel  # noqa: F401  (the kernel that nbclient starts)
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed: pip install 'lora-repro[notebooks]'") from error

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=TIMEOUT, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
    )  # fmt: skip
    try:
        client.execute()
    except CellExecutionError as error:
        raise DataError(f"{path}: a cell failed\n{error}") from error
    for cell in notebook.cells:
        _tidy(cell)
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                         "language_info": {"name": "python"}}  # fmt: skip
    return str(nbformat.writes(notebook)) + "\n"


def _tidy(cell: Any) -> None:
    """Drop what differs between two executions and says nothing."""
    cell.metadata.pop("execution", None)
    if "outputs" in cell:
        cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]


def main(argv: Sequence[str]) -> int:
    """Execute every notebook of a folder (default: notebooks) in place."""
    if argv and argv[0] in ("-h", "--help"):
        print(main.__doc__)
        return 0
    folder = Path(argv[0] if argv else "notebooks")
    paths = sorted(folder.glob("*.ipynb"))
    if not paths:
        raise DataError(f"{folder}: no notebooks there")
    for path in paths:
        write_atomically(path, execute(path).encode())
        print(f"executed {path}")
    return 0
