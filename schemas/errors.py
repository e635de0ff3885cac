"""Every error the project raises on purpose, each saying what to do next.

```
MedVidError
├── SourceError                 something about the native files of a source
│   ├── MissingSourceError      a file or folder is not there
│   ├── MalformedSourceError    a file is there but cannot be read as its format says
│   └── UnknownLabelError       a label is in no vocabulary
├── MediaError                  a video or an image cannot be decoded as it claims
├── SampleError                 an instruction pair breaks its own grammar
├── SplitError                  a selection that cannot be made
│   └── LeakageError            one identity in two splits
├── ShardError                  a tar or an index that does not hold what it says
├── CorrectionError             an annotator's fix that cannot be applied
├── SubmissionError             predictions that cannot be read or scored
├── ReleaseError                a workspace or a release in the wrong state
└── ConfigError                 a setting that means nothing
```
"""

from collections.abc import Sequence

MAX_EXAMPLES = 10
MAX_EXAMPLE_CHARS = 120


def bounded(examples: Sequence[object]) -> str:
    """Join a few examples into text whose length does not depend on their number."""
    shown = [str(example)[:MAX_EXAMPLE_CHARS] for example in examples[:MAX_EXAMPLES]]
    rest = len(examples) - len(shown)
    return "; ".join(shown) + (f"; and {rest} more" if rest > 0 else "")


class MedVidError(Exception):
    """Base of all errors a user can act on.

    Attributes:
        problem: What is wrong, in one sentence.
        dataset: Source the error belongs to, if any.
        source: File the error is in, relative to the source root, if any.
        line: Line in that file, from 1, if any.
        field: Field or column, if any.
        action: What to do next.
    """

    default_action = "See `medvid --help`."

    def __init__(
        self,
        problem: str,
        *,
        dataset: str | None = None,
        source: str | None = None,
        line: int | None = None,
        field: str | None = None,
        action: str | None = None,
    ) -> None:
        self.problem = problem
        self.dataset = dataset
        self.source = source
        self.line = line
        self.field = field
        self.action = action or self.default_action
        super().__init__(self._message())

    def _message(self) -> str:
        where = ":".join(str(part) for part in (self.source, self.line) if part is not None)
        parts = [part for part in (self.dataset, where, self.field) if part]
        prefix = f"{' '.join(parts)}: " if parts else ""
        return f"{prefix}{self.problem} {self.action}"

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the keyword attributes when the error crosses a process boundary."""
        return (_rebuild, (type(self), self.problem, self.__dict__.copy()))


def _rebuild(kind: type[MedVidError], problem: str, state: dict[str, object]) -> MedVidError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    Exception.__init__(error, error._message())
    return error


class SourceError(MedVidError):
    """Something about the native files of a source."""


class MissingSourceError(SourceError, FileNotFoundError):
    """A native file or folder is not there."""

    default_action = "Check the root given for this source against the tree in its data card."


class MalformedSourceError(SourceError, ValueError):
    """A native file cannot be read as its format says."""

    default_action = "Fetch the file again, or correct the named place, and run the build again."


class UnknownLabelError(SourceError, ValueError):
    """A label stands in no vocabulary of its source."""

    default_action = "Correct the label, or add an alias to the source's vocabulary."


class MediaError(MedVidError, ValueError):
    """A video or image that cannot be decoded as it claims.

    Attributes:
        reason: Short machine-readable word, e.g. `truncated`, `no_video_stream`, `timeout`.
    """

    default_action = "Fetch the file again; `medvid quarantine RELEASE --retry` tries it anew."

    def __init__(self, problem: str, *, reason: str, source: str | None = None) -> None:
        self.reason = reason
        super().__init__(problem, source=source)


class SampleError(MedVidError, ValueError):
    """An instruction pair or an answer that breaks its grammar."""

    default_action = "This is a fault of the task module that wrote it; report it."


class SplitError(MedVidError, ValueError):
    """A selection that cannot be made from the pool."""

    default_action = "Change the split settings or the quotas."


class LeakageError(SplitError):
    """One identity in two splits."""

    default_action = "The release is refused; list the identities with `medvid verify`."


class ShardError(MedVidError, ValueError):
    """A tar or an index that does not hold what it says."""

    default_action = "Build the release again; `medvid verify` names every damaged part."


class CorrectionError(MedVidError, ValueError):
    """An annotator's fix that cannot be applied."""

    default_action = "Send the task back to its annotator."


class SubmissionError(MedVidError, ValueError):
    """A file of predictions that cannot be read, or cannot be scored against a truth."""

    default_action = "`medvid submission check` lists everything that is wrong with it."


class ReleaseError(MedVidError):
    """A workspace or a release in the wrong state."""

    default_action = "Run `medvid build` again."


class ConfigError(MedVidError, ValueError):
    """A setting that means nothing."""

    default_action = "Correct the setting; `medvid build --help` lists them."
