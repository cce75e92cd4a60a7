"""Defects for ffrec/config, ffrec/recipes and the menus."""

DEFECTS: dict[str, list[tuple[str, str, str]]] = {
    "ffrec/config/aliases.py": [
        ('"awake": "wake", "asleep": "sleep"', '"awake": "sleep", "asleep": "wake"', "config"),
        (
            "if settings.pop(key, harmless) != harmless:",
            "if settings.pop(key, harmless) and False:",
            "config",
        ),
        ('if network.get("objective") in ("max", "min"):', "if False:", "config"),
        ('network["activity"] = network.pop("objective")', 'network.pop("objective")', "config"),
        ('"chunk": 0, "scale": "mean"', '"chunk": 0', "config"),
        ('if network.get("centring") == 0:', "if False:", "config"),
        ('"lookahead": "character"', '"lookahead": "feedforward"', "config"),
        ("if not isinstance(held, Mapping):", "if False:", "config"),
        ("if not isinstance(values, Mapping):\n        raise", "if False:\n        raise", "config"),
        ("changed = dict(values)", "changed = values", "config"),
    ],
    "ffrec/config/base.py": [
        ("-WHOLE <= value < WHOLE", "True", "faults/settings"),
    ],
    "ffrec/config/character.py": [
        ("(self.centring or self.scaling) and", "self.centring and", "train_images"),
        ("(self.bias, *[0.0] * (len(self.hidden) - 1))", "(self.bias,) * len(self.hidden)", "goodness_text"),
        ("self.by_class and self.lookahead", "False", "train_text"),
    ],
    "ffrec/config/convolutional.py": [
        ('self.label in ("none", "overwrite") and self.label_size != 1', "False", "convolutional"),
        ("self.blocks > 1 and self.per_place", "False", "convolutional"),
        ('self.check_each("stride")', "pass", "convolutional"),
        ('self.label in ("none", "apart")', 'self.label == "none"', "convolutional"),
    ],
    "ffrec/config/feedforward.py": [
        ("        self.check_places(training)\n", "", "bands"),
        ('self.field is not None and self.label == "overwrite"', "False", "bands"),
        ("return bool(self.local)", "return False", "bands"),
        (
            "or tuple(range(2, len(self.hidden) + 1))",
            "or tuple(range(1, len(self.hidden) + 1))",
            "feedforward",
        ),
        ("(unlabelled or not hybrid) and", "not hybrid and", "train_images"),
        ('self.label == "none" and self.label_size != 1', "False", "train_images"),
    ],
    "ffrec/config/layers.py": [
        ("and self.blocks == 1:", ":", "feedforward train_text"),
        ("set(self.thresholds) != {self.sign}", "False", "train_images"),
        ("if per_class and self.blocks > 1:", "if False:", "train_images"),
        ("negatives.absent != self.by_class", "negatives.absent and not self.by_class", "train_images"),
        ("training.wake and not objective.single", "False", "train_images"),
        ("if per_class and not self.by_class:", "if False:", "train_images"),
        ("negatives.several and (self.scaling or self.centring)", "False", "train_images"),
        ('self.by_class and (self.activity == "min" or self.context != "own")', "False", "train_images"),
        ('objective.target == "places" and (self.peer', "False and (self.peer", "train_images"),
    ],
    "ffrec/config/shapes.py": [
        ("self.field % 2 == 0", "False", "bands"),
        ("return self.field is not None", "return False", "bands"),
        ("training.permute is not None", "False", "bands"),
    ],
    "ffrec/config/training.py": [
        ('self.wake is None and (self.sleep != 1 or self.states != "shared")', "False", "train_images"),
        ("for name in own.keys() & self.optimiser_options.keys():", "for name in ():", "train_images"),
    ],
    "ffrec/config/recipe.py": [
        ("for base in config.__mro__)", "for base in config.__mro__[:1])", "config"),
        ('" ".join(field.description.split())', "field.description", "config"),
    ],
    "ffrec/registry.py": [
        ("elif len(names) <= FEW:", "elif True:", "config"),
        ("    if near:\n        hint", "    if False:\n        hint", "registry"),
        ("entries.setdefault(name, part) is not part and place", "False and place", "registry"),
        ("sys.modules[name] = module", "module", "registry"),
        ("_{zlib.crc32(bytes(file)):08x}", "", "registry"),
        ("or not file.is_file()", "", "registry"),
        ("    load_installed()\n    return", "    return", "registry"),
    ],
}
