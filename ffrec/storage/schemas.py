"""What our JSON files hold, as far as anything relies on it. What is not named may be there, and is kept.

Numbers that were not finite when they were written are null. A default stands for what may be missing.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, RootModel

Count = Annotated[int, Field(ge=0, le=2**53)]
Number = FiniteFloat | None
Word = Annotated[str, Field(max_length=10_000)]
Side = Annotated[int, Field(ge=1, le=4096)]


class Open(BaseModel):
    """An object that may hold more than is named."""

    model_config = ConfigDict(extra="allow", strict=True)


class Network(Open):
    hidden: list[Count]
    window: Count | list[Count] = 0
    threshold: FiniteFloat | list[FiniteFloat] | None = None


class Training(Open):
    epochs: Count


class Recipe(Open):
    name: Word
    paper: Word
    data: Word
    network: Network
    training: Training


class Config(Open):
    """config.json: what decides a run's numbers."""

    format: Count = 0
    recipe: Recipe
    seed: Count
    precision: Word
    classes: list[Word] = []
    symbols: list[Word] = []
    data_sha256: Word = ""
    text: Word = ""
    text_file: Word = ""
    plugins: list[Word] = []


class Validation(Open):
    """What was measured on held-out data in training: of images, or of strings."""

    error_softmax: Number = None
    error_goodness: Number = None
    error_together: Number = None
    perplexity: Number = None
    softmax_perplexity: Number = None
    training_perplexity: Number = None


class Goodness(Open):
    """Mean goodness at an update, layer by layer."""

    update: Count
    positive: list[Number]
    negative: list[Number]


class Record(Open):
    """A line of metrics.jsonl: an epoch."""

    epoch: Count
    updates: Count = 0
    loss: list[Number] = []
    softmax_loss: Number = None
    seconds: FiniteFloat = 0.0
    processor_seconds: Number = None
    accuracy: list[Number] = []
    pairwise_accuracy: list[Number] = []
    goodness: list[Goodness] = []
    validation: Validation = Validation()


class Losses(Record):
    """A line of metrics.jsonl that can be drawn."""

    loss: list[Number]
    softmax_loss: Number


class Images(Open):
    """What was measured on images in the end."""

    error_softmax: FiniteFloat
    error_goodness: FiniteFloat = 0.0
    error_together: FiniteFloat = 0.0
    confusion: list[list[Count]] = []


class Strings(Open):
    """What was measured on strings in the end."""

    perplexity: FiniteFloat
    softmax_perplexity: FiniteFloat = 0.0
    by_part: dict[Word, FiniteFloat] = {}


class HeldOut(Open):
    """Both held-out parts of a text."""

    validation: Strings
    test: Strings


class Result(Open):
    """result.json."""

    seed: Count
    device: Word
    seconds: FiniteFloat
    processor_seconds: Number = None
    epochs: Count


class ImageResult(Result):
    """Without a test part, if there were no test images."""

    test: Images = Images(error_softmax=0.0)


class WithCounts(HeldOut):
    """What a network predicts together with a count model."""

    model: Word
    share: FiniteFloat


class TextResult(Result, HeldOut):
    updates: Count
    baselines: Annotated[dict[Word, HeldOut], Field(min_length=1)]
    with_counts: WithCounts | None = None


class Baselines(RootModel[dict[Word, HeldOut]]):
    """baselines.json."""


class Data(Open):
    """data.json: what images a run was trained on."""

    shape: Annotated[list[Side], Field(min_length=2, max_length=3)]
    classes: Annotated[list[Word], Field(min_length=1, max_length=100_000)]
    brightest: Annotated[FiniteFloat, Field(gt=0)]


class Fitted(BaseModel):
    """calibration.json."""

    model_config = ConfigDict(extra="forbid", strict=True)

    temperature: Annotated[FiniteFloat, Field(gt=0)]
    fitted_on: Literal["validation", "training", "nothing"]
    n: Count
    exponents: dict[Word, FiniteFloat] = {}


class Sums(BaseModel):
    """The SHA-256 of each part of a checkpoint."""

    model_config = ConfigDict(extra="forbid", strict=True)

    weights: Annotated[str, Field(alias="weights.safetensors")]
    state: Annotated[str, Field(alias="state.pt")]


class Manifest(Open):
    """manifest.json of a checkpoint."""

    format: Count = 0
    step: Count
    sha256: Sums


class Whole(Open):
    """What `Model.save` writes beside the weights."""

    config: Config
    data: Data | None
    calibration: Fitted


class Named(Open):
    """study.json: the name of a study in a database."""

    name: Word


SHAPES: dict[str, type[BaseModel]] = {
    "config.json": Config,
    "data.json": Data,
    "calibration.json": Fitted,
    "baselines.json": Baselines,
}
"""Of the documents of a run folder; of any other, that it is an object."""
