"""Every exception that is raised on purpose.

V2TError
├── UsageError              what was asked cannot be done as asked: exit status 2
│   ├── BadSpelling         a component's spelling does not follow the grammar
│   ├── UnknownComponent    no plugin, dataset or threat has that name
│   ├── BadParameter        a parameter is missing, unknown or out of range
│   ├── BadInput            a file given by the user cannot be used
│   │   └── EmptyJudgements no query has a grade above 0
│   ├── SpaceMismatch       a checkpoint belongs to another embedding space
│   ├── MissingCheckpoint   a learned attack has nothing to load
│   └── ResultsBusy         another run holds the results folder
├── PluginError             a plugin could not be loaded or clashes with another
├── BrokenPromise           a component broke its contract while running
├── CorruptArtifact         a stored file is truncated or is not what its key says
├── ServiceFailed           a remote service refused a request or gave no usable answer
└── Skipped                 a cell that cannot exist; the text is the reason
"""

from collections.abc import Sequence


class V2TError(Exception):
    """The root: one line that says what was wrong, what was expected, what to do."""


class UsageError(V2TError):
    """What was asked cannot be done as asked; the command line exits with 2."""


class BadSpelling(UsageError):
    """A component's spelling does not follow the grammar."""


class UnknownComponent(UsageError):
    """No plugin, dataset or threat has that name."""


class BadParameter(UsageError):
    """A parameter is missing, unknown, of the wrong type or out of range."""


class BadInput(UsageError):
    """A file given by the user cannot be used; the text names file and line."""


class EmptyJudgements(BadInput):
    """No query has a grade above 0, so NDCG is not defined."""


class SpaceMismatch(UsageError):
    """A checkpoint was trained on another embedding space."""


class MissingCheckpoint(UsageError):
    """A learned attack has no checkpoint that fits; the text holds the train line.

    Args:
        text: The error's one line.
        others: What there is for other lengths, in words.
    """

    def __init__(self, text: str, *, others: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.others = tuple(others)


class ResultsBusy(UsageError):
    """Another run holds the lock of the results folder."""


class PluginError(V2TError):
    """A plugin could not be loaded, or clashes with another one."""


class BrokenPromise(V2TError):
    """A component broke its contract; the text names the component."""


class CorruptArtifact(V2TError):
    """A stored file is truncated, or is not what its key says."""


class ServiceFailed(V2TError):
    """A remote service refused a request, did not answer, or gave an answer of no use."""


class Skipped(V2TError):
    """A cell that cannot exist; the text is the reason shown in the table."""
