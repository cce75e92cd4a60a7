"""Run folders that survive a crash. Knows no network.

What a reader may assume, at any moment and after any crash, kill or full disk:

- A file is whole: it is written aside, fsynced, renamed, and its folder is fsynced (`files`). There is no
  half of a file, and what was there before stays until the new one is complete.
- A folder is a run once it has a `config.json`, which is written last. Until then it is free for a new run.
- A `step-*` folder in `checkpoints/` is complete: it gets its name when all its parts are on the disk. One
  whose parts are missing or changed has been damaged by something else, and is refused, never passed over.
- The last two checkpoints are kept. Metrics beyond the newest one are dropped when a run goes on.
- A run that `--force` replaces stays as it is until the new run has its first checkpoint (`replacing`).
- Only names that ffrec itself gives are ever removed (`names`).
- One process at a time writes a run. It holds a lock that the system takes back when it dies (`lock`).
- JSON is checked against a schema where it is read (`schemas`), and names its format: that of a newer ffrec
  is refused, that of an older one is read by today's names (`ffrec.config.aliases`).
- Nothing that is read can run code: weights are safetensors, a state is read with `weights_only=True`.
"""
