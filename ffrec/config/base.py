"""What all configurations share: how strict they are, shares between 0 and 1, and the one error."""

from typing import Annotated

from pydantic import ConfigDict, Field

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Share1 = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class ConfigError(Exception):
    """A configuration that cannot be: one line saying what was expected, what was found, what to do."""
