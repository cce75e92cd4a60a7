"""The small digits that come with scikit-learn, so that there is something to learn without a file."""

from pathlib import Path

from corpora.corpus import Corpus, Description, Split

DIGITS = Description(
    "digits",
    "8×8 handwritten digits that come with scikit-learn",
    "Alpaydin and Kaynak 1998, UCI ML repository, https://doi.org/10.24432/C50P49",
    "CC BY 4.0",
    (8, 8),
    tuple("0123456789"),
)


def load_digits(_folder: Path | None = None) -> Corpus:
    """1,797 embedded digits with pixels 0 to 16: 1,200 to train, 237 to validate, 360 to test.

    The split is stratified by class and always the same. No folder is read.
    """
    import torch
    from sklearn.datasets import load_digits as embedded
    from sklearn.model_selection import train_test_split

    bunch = embedded()
    images, labels = torch.from_numpy(bunch.images).to(torch.uint8), torch.from_numpy(bunch.target).long()

    def cut(index: list[int], size: int) -> list[list[int]]:
        parts: list[list[int]] = train_test_split(
            index, test_size=size, random_state=0, stratify=labels[index].numpy()
        )
        return parts

    known, test = cut(list(range(len(labels))), 360)
    train, validation = cut(known, 237)
    first, second, third = (Split(images[part], labels[part]) for part in (train, validation, test))
    return Corpus(first, second, third, DIGITS)
