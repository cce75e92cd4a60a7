"""Names that moved to `device`, `recorded` and `image_task`, for those who still ask here."""

from ffrec.training.device import pick_device as pick_device
from ffrec.training.image_task import finish_images as finish_images
from ffrec.training.image_task import new_trainer as new_trainer
from ffrec.training.image_task import trained_network as trained_network
from ffrec.training.recorded import check_fit as check_fit
from ffrec.training.recorded import check_same as check_same
from ffrec.training.recorded import completed as completed
from ffrec.training.recorded import configuration as configuration
from ffrec.training.recorded import describe as describe
from ffrec.training.recorded import plain as plain
from ffrec.training.recorded import resume as resume
from ffrec.training.recorded import weights as weights
