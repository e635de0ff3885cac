"""Forward pass of a BERT encoder in numpy, for sequences of one length.

Devlin et al., "BERT" (NAACL 2019), with the GELU of Hendrycks and Gimpel (2016). Sequences of one
length need no padding and no mask, which is why callers group by length.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

_SLOPE = np.float32(0.3275911 * np.sqrt(0.5))
_ERFC = [
    np.float32(a / 2) for a in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
]
"""Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), 7.1.26: half of erfc within
1e-7, which is what float32 holds; a library's erf takes as long as the matrix products beside it.
"""

_ROWS = 64
"""Rows of the widest layer whose GELU stays inside the processor's cache."""


@dataclass(frozen=True)
class _Dense:
    """A linear map: weight of shape (inputs, outputs), bias of shape (outputs,)."""

    weight: Floats
    bias: Floats

    def __call__(self, states: Floats) -> Floats:
        out: Floats = states @ self.weight
        out += self.bias
        return out


@dataclass(frozen=True)
class _Norm:
    """Layer normalisation over the last axis."""

    scale: Floats
    shift: Floats
    epsilon: np.float32

    def __call__(self, states: Floats) -> Floats:
        centred: Floats = states - states.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        centred /= np.sqrt(variance + self.epsilon)
        centred *= self.scale
        centred += self.shift
        return centred


@dataclass(frozen=True)
class _Layer:
    """Self-attention and feed-forward block, each followed by residual and normalisation."""

    qkv: _Dense
    attended: _Dense
    attention_norm: _Norm
    wide: _Dense
    narrow: _Dense
    output_norm: _Norm
    heads: int

    def __call__(self, states: Floats, batch: int) -> Floats:
        states = self.attention_norm(self.attended(self._attend(states, batch)) + states)
        return self.output_norm(self.narrow(_gelu(self.wide(states))) + states)

    def _attend(self, states: Floats, batch: int) -> Floats:
        tokens, hidden = states.shape
        length, width = tokens // batch, hidden // self.heads
        shape = (batch, length, 3, self.heads, width)
        query, key, value = self.qkv(states).reshape(shape).transpose(2, 0, 3, 1, 4)
        scores: Floats = query @ key.transpose(0, 1, 3, 2)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed: Floats = scores @ value
        return mixed.transpose(0, 2, 1, 3).reshape(tokens, hidden)


class Bert:
    """A BERT encoder with the weights of a folder as Hugging Face lays it out.

    Attributes:
        hidden: Width of the states.
    """

    def __init__(self, folder: Path) -> None:
        """Load `config.json` and `model.safetensors`.

        Args:
            folder: Where they lie.
        """
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")
        self.hidden: int = config["hidden_size"]
        epsilon = np.float32(config["layer_norm_eps"])
        self._words = weights["embeddings.word_embeddings.weight"]
        # A single text is all of type 0, so that row joins the positions.
        self._places: Floats = (
            weights["embeddings.position_embeddings.weight"]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _norm(weights, "embeddings", epsilon)
        self._layers = [
            _layer(weights, f"encoder.layer.{index}", epsilon, config["num_attention_heads"])
            for index in range(config["num_hidden_layers"])
        ]

    def __call__(self, ids: Ids) -> Floats:
        """Encode token ids.

        Args:
            ids: Shape (batch, length), without padding.

        Returns:
            Last hidden states, shape (batch, length, hidden).
        """
        batch, length = ids.shape
        states = self._norm(self._words[ids] + self._places[:length])
        states = states.reshape(batch * length, self.hidden)
        for layer in self._layers:
            states = layer(states, batch)
        return states.reshape(batch, length, self.hidden)


def _gelu(states: Floats) -> Floats:
    """Turn x into x Φ(x), as max(x, 0) - |x| erfc(|x| / √2) / 2, exact also below zero."""
    for start in range(0, len(states), _ROWS):
        block = states[start : start + _ROWS]
        size = np.abs(block)
        tail = size * _SLOPE
        tail += np.float32(1)
        np.reciprocal(tail, out=tail)
        half = np.full_like(tail, _ERFC[0])
        for coefficient in _ERFC[1:]:
            half *= tail
            half += coefficient
        half *= tail
        half *= size
        np.square(size, out=tail)
        tail *= np.float32(-0.5)
        half *= np.exp(tail, out=tail)
        np.maximum(block, 0, out=block)
        block -= half
    return states


def _norm(weights: dict[str, Floats], name: str, epsilon: np.float32) -> _Norm:
    prefix = f"{name}.LayerNorm"
    return _Norm(weights[f"{prefix}.weight"], weights[f"{prefix}.bias"], epsilon)


def _dense(weights: dict[str, Floats], name: str) -> _Dense:
    turned = np.ascontiguousarray(weights[f"{name}.weight"].T)
    return _Dense(turned, weights[f"{name}.bias"])


def _layer(weights: dict[str, Floats], name: str, epsilon: np.float32, heads: int) -> _Layer:
    parts = [_dense(weights, f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
    # Attention divides by the root of the head's width; dividing the queries' weights does it once.
    root = np.float32(np.sqrt(parts[0].weight.shape[1] / heads))
    scaled = [_Dense(parts[0].weight / root, parts[0].bias / root), *parts[1:]]
    qkv = _Dense(
        np.concatenate([part.weight for part in scaled], axis=1),
        np.concatenate([part.bias for part in scaled]),
    )
    return _Layer(
        qkv=qkv,
        attended=_dense(weights, f"{name}.attention.output.dense"),
        attention_norm=_norm(weights, f"{name}.attention.output", epsilon),
        wide=_dense(weights, f"{name}.intermediate.dense"),
        narrow=_dense(weights, f"{name}.output.dense"),
        output_norm=_norm(weights, f"{name}.output", epsilon),
        heads=heads,
    )
