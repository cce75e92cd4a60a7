"""What layers of two networks that see the same cases have to make of each other."""

from ffrec.learning.agreement.losses import Agreed, Agreement
from ffrec.learning.agreement.update import agreement_update

__all__ = ["Agreed", "Agreement", "agreement_update"]
