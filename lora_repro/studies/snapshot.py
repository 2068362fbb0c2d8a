"""The code that submitted jobs run: a checkout of the commit that they were submitted with."""

import subprocess
from pathlib import Path

import lora_repro
from lora_repro.errors import ConfigError

WATCHED = ("lora_repro", "conf", "pyproject.toml")


def snapshot(runs: Path) -> Path | None:
    """A git worktree of HEAD in ``<runs>/code/<commit>``, made once for each commit.

    Returns:
        The folder; None where the suite is installed without its repository: then jobs run what is installed.

    Raises:
        ConfigError: code or configuration has uncommitted changes, which no commit could name.
    """
    root = Path(lora_repro.__file__).resolve().parent.parent
    try:
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root:
            return None  # installed inside somebody else's repository
        commit = _git(root, "rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return None
    changed = _git(root, "status", "--porcelain", "--", *WATCHED)
    if changed:
        files = ", ".join(line.split(maxsplit=1)[1] for line in changed.splitlines()[:3])
        raise ConfigError(
            f"uncommitted changes in {files}: jobs run the commit that they are submitted with; git commit (or "
            "git stash) first"
        )
    folder = (runs / "code" / commit[:12]).resolve()
    if not (folder / "lora_repro").is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _git(root, "worktree", "prune")  # earlier ones may have been deleted with their folder
        try:
            _git(root, "worktree", "add", "--quiet", "--detach", str(folder), commit)
        except subprocess.CalledProcessError as error:
            raise ConfigError(f"git cannot check {commit[:12]} out in {folder}: {error.stderr.strip()}") from error
    return folder


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip()
