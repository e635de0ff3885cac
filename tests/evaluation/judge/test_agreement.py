"""Agreement with people: hand-worked values, and ratings files of every kind."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medvid.evaluation.judge import (
    Dimension,
    JudgeReport,
    JudgeSettings,
    PairJudgement,
    Rating,
    agreement_with,
    load_ratings,
)
from medvid.evaluation.judge.agreement import _ranks, kappa, pearson
from schemas.errors import MalformedSourceError, MissingSourceError, SampleError

HEADER = "pair_id,dimension,rating,rater\n"


def test_kappa_of_a_table_worked_by_hand() -> None:
    # 10 ratings: 4 agree on 1, 3 agree on 2, 2 are (1, 2), 1 is (2, 3)
    compared = [(1, 1)] * 4 + [(2, 2)] * 3 + [(1, 2)] * 2 + [(2, 3)]
    # seen 0.7; chance 0.6 * 0.4 + 0.4 * 0.5 + 0 = 0.44
    assert kappa(compared, quadratic=False) == pytest.approx((0.7 - 0.44) / (1 - 0.44))
    # squares: seen 0.3; chance 0.6*0.5 + 0.6*0.1*4 + 0.4*0.4 + 0.4*0.1 = 0.74
    assert kappa(compared, quadratic=True) == pytest.approx(1 - 0.3 / 0.74)
    assert kappa([(3, 3)] * 5, quadratic=True) is None


scores = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=3, max_size=40)


@settings(max_examples=60, deadline=None)
@given(scores)
def test_correlations_are_those_of_scipy(compared: list[tuple[int, int]]) -> None:
    left, right = np.array(compared, dtype=np.float64).T
    found = pearson(left, right)
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        assert found is None
    else:
        assert found == pytest.approx(stats.pearsonr(left, right).statistic, abs=1e-12)
        ranks = pearson(_ranks(left), _ranks(right))
        assert ranks == pytest.approx(stats.spearmanr(left, right).statistic, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(scores)
def test_kappa_is_1_for_equals_and_knows_no_side(compared: list[tuple[int, int]]) -> None:
    equal = [(left, left) for left, _ in compared]
    turned = [(right, left) for left, right in compared]
    for quadratic in (False, True):
        value = kappa(compared, quadratic=quadratic)
        assert value == pytest.approx(kappa(turned, quadratic=quadratic))
        assert kappa(equal, quadratic=quadratic) in (None, pytest.approx(1))
        assert value is None or -1 <= value <= 1 + 1e-12


def report(values: dict[str, list[int]]) -> JudgeReport:
    return JudgeReport(
        scale="1-5", judge="judge-1", prompt_version="v", settings=JudgeSettings(),
        judgements=tuple(
            PairJudgement(
                pair_id=name, status="judged", scores=dict(zip(Dimension, numbers, strict=True))
            )
            for name, numbers in values.items()
        ),
    )  # fmt: skip


JUDGED = report({"a": [1, 1, 2, 2, 3], "b": [3, 3, 3, 3, 3], "c": [5, 5, 4, 4, 5]})


def rate(pair_id: str, dimension: Dimension, rating: int, rater: str = "dr") -> Rating:
    return Rating(pair_id=pair_id, dimension=dimension, rating=rating, rater=rater)


def test_agreement_is_given_by_dimension_and_over_all() -> None:
    ratings = [
        rate("a", Dimension.TERMINOLOGY, 1), rate("a", Dimension.TERMINOLOGY, 2, "nurse"),
        rate("b", Dimension.TERMINOLOGY, 3), rate("c", Dimension.TERMINOLOGY, 4),
        rate("a", Dimension.CONTEXT, 2), rate("b", Dimension.CONTEXT, 3),
        rate("c", Dimension.CONTEXT, 5), rate("gone", Dimension.CONTEXT, 5),
    ]  # fmt: skip
    found = agreement_with(JUDGED, ratings)
    by_name = {agreement.dimension: agreement for agreement in found.agreements}
    assert (found.raters, found.unmatched) == (2, 1)
    assert list(by_name) == [*(d.value for d in Dimension), "overall"]
    terms = by_name["terminology"]
    assert (terms.pairs, terms.ratings) == (3, 4)
    expected = stats.pearsonr([1, 3, 5], [1.5, 3, 4])
    assert terms.pearson == pytest.approx(expected.statistic)
    assert terms.spearman == pytest.approx(1)
    assert terms.kappa == pytest.approx(kappa([(1, 1), (1, 2), (3, 3), (5, 4)], quadratic=False))
    assert terms.within_one == 1.0
    assert (by_name["specificity"].pairs, by_name["specificity"].kappa) == (0, None)
    overall = by_name["overall"]
    assert (overall.pairs, overall.ratings) == (3, 7)
    judged = [1.8, 3, 4.6]
    people = [(1.5 + 2) / 2, 3, 4.5]
    assert overall.pearson == pytest.approx(stats.pearsonr(judged, people).statistic)


def test_similarity_is_correlated_and_never_counted_as_a_rating() -> None:
    similar = JudgeReport(
        scale="0-1", judge="all-MiniLM-L6-v2", prompt_version="", settings=JudgeSettings(),
        judgements=tuple(
            PairJudgement(pair_id=name, status="similar", similarity=value)
            for name, value in (("a", 0.2), ("b", 0.4), ("c", 0.9))
        ),
    )  # fmt: skip
    ratings = [rate("a", Dimension.CONTEXT, 1), rate("b", Dimension.CONTEXT, 2),
               rate("c", Dimension.CONTEXT, 5)]  # fmt: skip
    found = agreement_with(similar, ratings)
    (overall,) = found.agreements
    assert overall.spearman == pytest.approx(1)
    assert (overall.kappa, overall.kappa_quadratic, overall.ratings) == (None, None, 0)
    assert "scale 0-1" in found.judge


def test_ratings_of_other_pairs_are_refused() -> None:
    with pytest.raises(SampleError, match="pair_id"):
        agreement_with(JUDGED, [rate("z", Dimension.CONTEXT, 1)])


def test_ratings_are_read_from_both_kinds_of_files(tmp_path: Path) -> None:
    expected = [rate("胆,1", Dimension.TERMINOLOGY, 4, "Dr. É"), rate("2", Dimension.CONTEXT, 1)]
    table = tmp_path / "ratings.csv"
    rows = '"胆,1",R2,4,Dr. É\r\n2,Context,1,dr\r\n'
    table.write_bytes(b"\xef\xbb\xbf" + (HEADER + rows).encode())
    assert load_ratings(table) == expected
    lines = tmp_path / "ratings.jsonl"
    values = [rating.model_dump(mode="json") for rating in expected]
    text = "\n\n".join(json.dumps(value, ensure_ascii=False) for value in values)
    lines.write_text(text, encoding="utf-8")
    assert load_ratings(lines) == expected


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("r.csv", HEADER + "1,context,4,a\n1,context,6,b\n", "r.csv:3 rating"),
        ("r.csv", HEADER + "1,context,4\n", "r.csv:2 rater"),
        ("r.csv", HEADER + "1,beauty,4,a\n", "r.csv:2 dimension"),
        ("r.csv", HEADER + "1,context,,a\n", "r.csv:2 rating"),
        ("r.csv", HEADER + "1,context,4,a\n1,R5,3,a\n", "r.csv:3: a rates"),
        ("r.csv", "pair_id,rating\n1,2\n", "r.csv:1: the header"),
        ("r.csv", "", "r.csv:1: the header"),
        ("r.csv", HEADER, "r.csv:1: the file holds no ratings"),
        ("r.csv", HEADER + '1,"context,4,a\n', "r.csv:2: the row is no CSV"),
        ("r.jsonl", '{"pair_id": "1"\n', "r.jsonl:1: the line is no JSON"),
        ("r.jsonl", "\n[1]\n", "r.jsonl:2: the line is no JSON object"),
        ("r.jsonl", '{"pair_id": "1", "rater": "a", "rating": 3}', "r.jsonl:1 dimension"),
        ("r.jsonl", '{"pair_id":"1","rater":"a","rating":3.5,"dimension":"R2"}', "1 rating"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, name: str, text: str, where: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(MalformedSourceError) as caught:
        load_ratings(tmp_path / name)
    assert where in str(caught.value)


def test_a_missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingSourceError, match=r"none\.csv"):
        load_ratings(tmp_path / "none.csv")
    (tmp_path / "r.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MalformedSourceError, match="UTF-8"):
        load_ratings(tmp_path / "r.csv")
