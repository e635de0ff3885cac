"""Answers of a judge on loopback: scores by content, in many forms, some of them useless."""

import json

from schemas.hashing import hash_rank
from tests.language.endpoint import Body

KEYS = ("terminology", "identification", "specificity", "context", "action_state")
OFFICIAL = ("R2", "R3", "R8", "R5", "R4")


def texts_of(body: Body) -> dict[str, str]:
    """Question, reference and candidate as the user's message shows them."""
    found: dict[str, str] = {}
    for block in body["messages"][1]["content"].split("\n\n<<"):
        head, _, rest = block.partition(">>\n")
        found[head.split(" ")[-1]] = rest.rpartition("\n<<")[0]
    return found


def scores_of(body: Body) -> list[int]:
    """Five scores that depend on both texts and on their roles."""
    texts = texts_of(body)
    pair = f"{texts['reference']}|{texts['candidate']}"
    return [1 + hash_rank(0, key, pair) % 5 for key in KEYS]


def well_formed(body: Body) -> str:
    """The form that was asked for."""
    official = "R2, R3" in body["messages"][0]["content"]
    keys = OFFICIAL if official else KEYS
    if official:
        pairs = zip(keys, scores_of(body), strict=True)
        return "\n".join(f"{key}: {score}" for key, score in pairs)
    return json.dumps(dict(zip(keys, scores_of(body), strict=True)))


def wayward(body: Body) -> str:
    """Prose, gaps and odd forms first; usable once it was told off twice at most."""
    turns = len(body["messages"])
    kind = hash_rank(1, texts_of(body)["candidate"]) % 4
    useless = ["I would rather describe it.", "terminology: 3", "", '{"terminology": 9}']
    if turns == 2 and kind < 3:
        return useless[kind]
    scores = dict(zip(KEYS, scores_of(body), strict=True))
    forms = [
        json.dumps({"scores": scores}),
        f"Here you are:\n```json\n{json.dumps(scores)}\n```",
        "\n".join(f"- **{key}**: {score}/5" for key, score in scores.items()),
        json.dumps({key: {"score": score, "why": "…"} for key, score in scores.items()}),
    ]
    return forms[kind]
