"""Defects for ffrec/data, ffrec/negatives and corpora: what networks learn from."""

DEFECTS: dict[str, list[tuple[str, str, str]]] = {
    "corpora/alphabet.py": [
        ("dict(made.vocab.stoi)", "__import__('collections').defaultdict(int, made.vocab.stoi)", "text"),
        ("len(alphabet) - i for", "i + 1 for", "text"),
        (">= rare *", "> rare *", "alphabet"),
    ],
    "corpora/cifar.py": [
        ('"n (c h w) -> n h w c"', '"n (h w c) -> n h w c"', "cifar"),
    ],
    "corpora/corpus.py": [
        ("(self.train, self.validation)", "(self.train, self.train)", "corpora"),
        ("joined_at=len(self.train.labels)", "joined_at=None", "corpora"),
    ],
    "corpora/files.py": [
        ("checksums.compare(source.content(data, str(path)), source.sha256[file], path)", "pass", "corpora"),
        ("check(source, file, waiting)", "pass", "corpora"),
    ],
    "corpora/idx.py": [
        ("if found != magic", "if False", "corpora"),
        ("if len(data) - start != math.prod(shape)", "if False", "corpora"),
        ("if len(pixels) != len(classes)", "if False", "corpora"),
        (">= CLASSES", "> CLASSES", "corpora"),
    ],
    "corpora/loading.py": [
        ("and file.name != source.archive", "", "faults/data"),
    ],
    "corpora/mnist.py": [
        ("known[-VALIDATION:]", "known[:VALIDATION]", "corpora"),
    ],
    "corpora/own_images/holdout.py": [
        ("-rest[place]", "rest[place]", "own_images"),
    ],
    "corpora/text.py": [
        ("strings = strings[sorted(first.values())]", "pass", "text"),
        ("seen - seen // TWENTIETH, seen", "seen // 2, seen", "long_text"),
    ],
    "corpora/utf8.py": [
        ('"utf-8-sig"', '"utf-8"', "text"),
    ],
    "ffrec/data/draws.py": [
        ("hashed(self.seed, update, stream)", "hashed(self.seed, update)", "draws"),
        ("hashed(self.seed, update, stream)", "hashed(update, stream)", "draws"),
        ("self.counted(DELTA, first, cases)", "self.counted(DELTA, 0, cases)", "draws"),
        ("2 ** (64 - shift) - 1", "-1", "draws"),
        ("self.count += 1", "self.count = 1", "draws"),
        ("size = rows // cases", "size, cases = 1, rows", "draws"),
        ("len(whole), 0, 1)", "len(whole), self.first, 1)", "draws"),
        (".bitwise_and_(self.number(2**32 - 1))", "", "draws"),
        ("(k + 0.5) / 2**16", "(k + 0.5) / 2**17", "draws"),
    ],
    "ffrec/data/images.py": [
        ("images.flip(2)", "images.flip(1)", "convolutional"),
        ("(places < first[:, None] + side)", "(places <= first[:, None] + side)", "convolutional"),
        ("2 * pixels + 1", "2 * pixels", "images"),
        ("draws.chance(share", "draws.chance(1 - share", "images"),
        ("deviation * scale", "deviation", "train_images"),
        ("rows[:, self.order]", "rows", "images"),
    ],
    "ffrec/data/sampling.py": [
        ("temperature < torch.finfo(log_p.dtype).tiny", "temperature == 0", "faults/strings"),
        ("p / p.sum(1, keepdim=True)", "p", "sampling"),
        ("kept[:, 0] = True", "pass", "sampling"),
        ("kept[:, top_k:] = False", "kept[:, top_k + 1 :] = False", "sampling"),
        ("keepdim=True)) / temperature", "keepdim=True)) * temperature", "sampling"),
    ],
    "ffrec/data/strings.py": [
        ("unfold(1, size, PIECE)", "unfold(1, size, size)", "long_text"),
        ("strings[:count, : window + count * PIECE]", "strings[:count, : count * PIECE]", "long_text"),
    ],
    "ffrec/negatives/hybrids.py": [
        (">= 0.5", ">= 0.4", "negatives"),
        ("torch.where(mask.bool(), one, other)", "torch.where(mask.bool(), other, one)", "negatives"),
        ("once, max(1, round(BLURS * size**2))", "once, 1", "negatives"),
        (
            "masks(batch, height, width, draws)",
            "masks(1, height, width, draws).expand(batch, -1, -1)",
            "negatives",
        ),
        (
            "self.draw_labels = LABELS[labelled]",
            'self.draw_labels = LABELS["shuffled"]',
            "negatives train_images",
        ),
        ("return (images + others) / 2", "return images", "negatives"),
        ("return (images + others) / 2", "return others", "negatives"),
    ],
    "ffrec/negatives/labels.py": [
        ("p / draws.exponential(p.shape)", "p - draws.exponential(p.shape)", "negatives"),
        ("min(self.count, logits.shape[1] - 1)", "self.count", "negatives"),
        ("waiting.scatter_(1, labels.unsqueeze(1), -1.0)", "pass", "negatives"),
        ('float("-inf")', "0.0", "negatives"),
        ("draws.integers(1, classes", "draws.integers(0, classes", "negatives"),
        ("torch.arange(1, classes", "torch.arange(0, classes - 1", "negatives"),
        (
            "draws.shuffle(labels)",
            "labels",
            "train_images",
        ),
    ],
}
