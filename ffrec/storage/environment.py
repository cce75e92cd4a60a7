"""What a run is made by: versions, platform, commit and command."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch


def commit(source: Path) -> str | None:
    """The commit checked out where a source file lives; None if git is missing or does not track the file."""
    git, said = ["git", "-C", str(source.parent)], ""
    try:
        for ask in (["ls-files", "--error-unmatch", source.name], ["rev-parse", "HEAD"]):
            said = subprocess.run([*git, *ask], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return said


def hide_password(text: str) -> str:
    """The same text with the password of every URL in it as stars."""
    return re.sub(r"(://[^\s:/@]*):\S*@", r"\1:***@", text)


def launch() -> str | None:
    """What torchrun calls this start of its processes, and their restarts; None without torchrun."""
    return os.environ.get("TORCHELASTIC_RUN_ID")


def environment() -> dict[str, Any]:
    """Versions, platform, commit of the source if it is a checkout, and the command."""
    import ffrec  # not at the top: the package imports this file while it is itself being imported

    return {
        "ffrec": ffrec.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "commit": commit(Path(__file__).resolve()),
        "launch": launch(),
        "command": [Path(sys.argv[0]).name, *map(hide_password, sys.argv[1:])],
    }
