"""Which format a file is of: that of a newer ffrec is refused before it is misread."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffrec.storage.files import RunError
from ffrec.storage.schemas import FORMAT


def check_format(held: Mapping[str, Any], file: Path) -> None:
    """Raise RunError, naming both formats, if a newer ffrec wrote what a file holds."""
    if (found := held.get("format", 0)) > FORMAT:
        raise RunError(
            f"{file} is of format {found}, which a newer ffrec wrote: expected at most format {FORMAT}: "
            "update ffrec, or use the version that environment.json names"
        )
