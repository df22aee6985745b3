"""The look before anything runs: what is refused, and that remembering answers changes none."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from manifests import manifest, refused, source_of

from iclight_local.batch import checking, combinations
from iclight_local.batch.checking import check
from iclight_local.batch.combinations import Combinations
from iclight_local.errors import InvalidRequest
from iclight_local.request import RelightRequest


def test_what_a_source_holds(tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        "subject_image,prompt,seed,light_source,number_of_images\n"
        "a.png,one,1,left,\n" "b.png,two,2,right,\n" "c.png,three,,,3\n",
    )  # fmt: skip
    assert check(source_of(path, width="256")).rows == 3


def test_the_first_faults_of_each_kind_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    rows = [f"{index}.png,{index}" for index in range(100)] + [f"x{index}.png,200" for index in range(30)]
    said = refused(manifest(tmp_path, "\n".join(["subject_image,steps", *rows, "y.png,300", "z.png,5,6"])))
    assert said.startswith("line 2 of people.csv: steps is 0, but must be a whole number from 1 to 100.\nline 102 of")
    assert "line 132 of people.csv: steps is 300" in said
    assert "line 133 of people.csv: the row has 3 cells" in said
    assert said.endswith("\nAnd 29 more rows are wrong.")
    many = "\n".join(["subject_image,steps", *(f"{index}.png,{index}" for index in range(101, 150))])
    said = refused(manifest(tmp_path, many))
    assert said.count("line") == 5
    assert said.endswith("\nAnd 44 more rows are wrong.")


def test_two_results_of_one_name(tmp_path: Path) -> None:
    text = "subject_image,output\na/x.png,\nb/y.png,\nc/X.jpg,\nd/z.png,sub/w\ne/z.png,SUB/W.png\nf/x.png,\n"
    said = refused(manifest(tmp_path, text))
    assert said == (
        "line 2 of people.csv and line 4 of people.csv would both be X-relit.png. "
        "line 5 of people.csv and line 6 of people.csv would both be SUB/W.png. "
        "And there are 1 more. "
        "Put {row} into --name, like '{stem}-{row}', or name them apart in a column output."
    )
    path = manifest(tmp_path, text.replace("e/z.png,SUB/W.png", "e/z.png,other"))
    assert check(source_of(path, name="{stem}-{row}")).rows == 6


def test_a_numbered_result_meets_a_named_one(tmp_path: Path) -> None:
    text = "subject_image,output,number_of_images\na.png,a,2\nb.png,a_1,\n"
    assert "would both be a_1.png" in refused(manifest(tmp_path, text))


def test_many_results_of_one_name(tmp_path: Path) -> None:
    path = manifest(tmp_path, "\n".join(["subject_image", *(f"{index}/x.png" for index in range(50))]))
    said = refused(path)
    assert said.count("would both be") == 1
    assert "And there are 48 more." in said
    pictures = manifest(tmp_path, "\n".join(["subject_image", *(f"{index % 20}.png" for index in range(40))]))
    said = refused(pictures)
    assert "line 2 of people.csv and line 22 of people.csv would both be 0-relit.png." in said
    assert said.count("would both be") == 5
    assert "And there are 15 more." in said


def test_names_whose_hashes_agree_by_chance_are_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "hash", lambda name: 7, raising=False)
    assert check(source_of(manifest(tmp_path, "subject_image\na.png\nb.png\n"))).rows == 2


@pytest.mark.parametrize("how", [{"name": "{stem}.jpg"}, {"output_format": "jpeg"}])
def test_what_a_jpeg_cannot_hold(tmp_path: Path, how: dict[str, str]) -> None:
    clear = manifest(tmp_path, "subject_image,background_mode\na.png,\nb.png,transparent\n")
    assert refused(clear, **how).startswith("line 3 of people.csv: background_mode transparent needs a format")
    text = f"subject_image,prompt\na.png,{'x' * 50_000}\nb.png,{'x' * 62_000}\nc.png,{'ü' * 11_000}\n"
    long = manifest(tmp_path, text)
    said = refused(long, **how)
    assert said.startswith("line 3 of people.csv: the request (its prompts, mostly) is too long to be recorded")
    assert said.endswith("And 1 more rows are wrong.")
    assert check(source_of(long)).rows == 3


def test_memory_does_not_grow_with_combinations(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(combinations, "MOST_KEPT", 10)
    rows = [f"{index}.png,{0.1 + index / 1000}" for index in range(45)]
    source = source_of(manifest(tmp_path, "\n".join(["subject_image,exposure", *rows])))
    assert check(source).rows == 45
    assert len(source._combinations._answers) <= 10


SEEDS = [
    "0",
    "-0",
    "-1",
    "007",
    "1.0",
    "1.5",
    " 5 ",
    "+5",
    "1_0",
    "٣",
    "²",
    "",
    "9" * 18,
    str(2**63 - 1),
    str(2**63),
    "9" * 30,
]
TEXTS = st.text(st.sampled_from(string.printable + "ü日🙂\u2028"), max_size=8)
VALUES: dict[str, st.SearchStrategy[str]] = {
    "prompt": TEXTS,
    "appended_prompt": TEXTS,
    "negative_prompt": TEXTS,
    "light_source": st.sampled_from(["none", "left", "ambient", "", "up", "Left"]),
    "light": st.sampled_from(["left", "top 3200K", "sideways", ""]),
    "model": st.sampled_from(["fc", "fcon", "fbc", "sd"]),
    "width": st.sampled_from(["64", "512", "512.0", "100", "x"]),
    "steps": st.sampled_from(["1", "100", "0", "2.5"]),
    "cfg": st.sampled_from(["1", "nan", "inf", "33", "2,5"]),
    "seed": st.sampled_from(SEEDS),
    "number_of_images": st.sampled_from(["1", "12", "13"]),
    "background_flip": st.sampled_from(["true", "false", "1", "no", "perhaps"]),
    "fit": st.sampled_from(["crop", "input", "x"]),
    "background_mode": st.sampled_from(["generate", "image", "transparent", "keep"]),
    "background_colour": st.sampled_from(["#ffffff", "#FFF", "red"]),
    "exposure": st.sampled_from(["0.18", "0"]),
    "exposure_compensation": st.sampled_from(["1", "9"]),
    "output_format": st.sampled_from(["png", "jpeg", "gif"]),
    "subject_image": TEXTS,
    "background_image": TEXTS,
    "matte": TEXTS,
    "light_map": TEXTS,
    "light_reference": TEXTS,
    "no_such": TEXTS,
}
ROWS = st.lists(
    st.lists(st.sampled_from(sorted(VALUES)), max_size=5, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: VALUES[name] for name in names})
    ),
    min_size=1,
    max_size=6,
)


def told(build: Any, values: dict[str, str]) -> str | None:
    try:
        build(values)
    except InvalidRequest as error:
        return str(error)
    return None


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS, subject=st.booleans())
@example(rows=[{"seed": "5"}, {"seed": "9" * 18}, {"seed": "9" * 30}, {"seed": "²"}], subject=True)
@example(rows=[{"prompt": "a"}, {"prompt": "b", "light_source": "up"}, {"prompt": "c"}], subject=True)
def test_remembering_answers_changes_none(rows: list[dict[str, str]], subject: bool) -> None:
    """The same sentence, or none, as building each request by itself."""
    remembered = Combinations()
    for row in rows:
        values = {**({"subject_image": "a.png"} if subject else {}), **row}
        expected = told(lambda values: RelightRequest(**values), values)
        assert told(remembered.of, values) == expected
        if expected is None:
            ours, own = remembered.of(values).request, RelightRequest(**values)
            free = {*combinations.TEXTS, *remembered.of(values).pictures, "seed"}
            assert ours.model_dump(exclude=free) == own.model_dump(exclude=free)
            assert ours.model_fields_set == own.model_fields_set


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS)
def test_a_whole_manifest_is_refused_where_one_of_its_requests_is(rows: list[dict[str, str]], tmp_path: Path) -> None:
    """As JSON lines, with a picture in each row, against building each request by itself."""
    known = [{name: text for name, text in row.items() if name != "no_such"} for row in rows]
    full = [{"matte": "m.png", **row, "subject_image": "a.png"} for row in known]
    for row in full:
        for name in ("background_image", "matte", "light_map", "light_reference"):
            if name in row and (not row[name].strip() or ":" in row[name]):
                row[name] = "b.png"
    path = manifest(tmp_path, "\n".join(map(json.dumps, full)), "m.jsonl")
    wrong = [told(lambda values: RelightRequest(**values), row) is not None for row in full]
    source = source_of(path, name="{row}")
    assert (told(lambda _: check(source), {}) is not None) == any(wrong)
