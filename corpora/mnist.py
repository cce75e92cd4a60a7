"""MNIST and Fashion-MNIST: four IDX files each."""

from pathlib import Path

from corpora.corpus import Corpus, DataError, Description
from corpora.files import Source, read
from corpora.idx import parse_split

VALIDATION = 10_000  # the last training images

MNIST = Description(
    "mnist",
    "MNIST handwritten digits",
    "LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/",
    "CC BY-SA 3.0",
    (28, 28),
    tuple("0123456789"),
)
MNIST_FILES = Source(
    "mnist",
    {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/{file}.gz",
        "https://storage.googleapis.com/cvdf-datasets/mnist/{file}.gz",
    ),
)
FASHION = Description(
    "fashion-mnist",
    "Fashion-MNIST articles of clothing",
    "Xiao, Rasul and Vollgraf 2017, https://github.com/zalandoresearch/fashion-mnist",
    "MIT",
    (28, 28),
    (
        *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
)
FASHION_FILES = Source(
    "fashion-mnist",
    {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{file}.gz",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/{file}.gz",
    ),
)


def load_idx(description: Description, source: Source, folder: Path | None) -> Corpus:
    """Four IDX files; the validation set is the last 10,000 training images."""
    parts = []
    for prefix in ("train", "t10k"):
        images, images_name = read(source, f"{prefix}-images-idx3-ubyte", folder)
        labels, labels_name = read(source, f"{prefix}-labels-idx1-ubyte", folder)
        parts.append(parse_split(images, labels, (images_name, labels_name)))
    known, test = parts
    if len(known.labels) <= VALIDATION:
        raise DataError(
            f"{source.name}: expected more than {VALIDATION} training images, found {len(known.labels)}: "
            "use the official files"
        )
    return Corpus(known[:-VALIDATION], known[-VALIDATION:], test, description)
