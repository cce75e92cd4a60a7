"""`ffrec demo`: the recurrent network learns real digits while you watch."""

from pathlib import Path

RUN = Path("runs/demo")


def demo() -> None:
    """Train on the embedded digits for under a minute, and draw the network making up its mind."""
    import corpora
    import ffrec
    from cli.train import follow
    from ffrec.checkpoint import RunFolder
    from ffrec.pictures import draw
    from ffrec.runs import configuration, finish

    recipe, digits = ffrec.recipe("recurrent-digits"), corpora.load("digits")
    print(
        f"{len(digits.train.labels)} handwritten digits, hidden layers of {recipe.network.hidden} units, "
        f"{recipe.training.epochs} epochs, no backward pass"
    )
    classes = len(digits.description.classes)
    trainer = ffrec.Trainer(recipe, digits.train.images, digits.train.labels, classes)
    folder = RunFolder.create(RUN, configuration(recipe, 0, "fp32"), force=True)
    follow(trainer, folder, digits)
    test = finish(trainer, folder, digits.validation, digits.test)["test"]
    heat_map, *_ = draw(folder)
    print(
        f"test error {test['error_goodness']:.2f} % by goodness, {test['error_softmax']:.2f} % by one-pass "
        f"softmax ({test['images']} images never seen in training)\n"
        f"the network making up its mind: {heat_map}\n"
        "next: ffrec train recurrent-mnist-small   (real MNIST; downloads it unless FFREC_DATA has it)"
    )
