"""Connections that know where a unit is: local receptive fields, and convolutions."""

from ffrec.learning.fields.bands import Bands
from ffrec.learning.fields.convolution import Convolution, as_maps, as_rows
from ffrec.learning.fields.local import Local, square_fields

__all__ = ["Bands", "Convolution", "Local", "as_maps", "as_rows", "square_fields"]
