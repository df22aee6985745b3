"""Manifests: what each kind reads, that all kinds mean the same, and the line of every fault."""

from __future__ import annotations

import builtins
import decimal
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from manifests import manifest, refused, rows_of, source_of

from iclight_local.errors import InvalidRequest
from iclight_local.request import RelightRequest


def test_a_csv_gives_a_row_for_each_line_and_nothing_for_an_empty_cell(tmp_path: Path) -> None:
    path = manifest(tmp_path, "\ufeffsubject_image,prompt,steps\r\na.jpg,warm,7\r\n\r\nb/ü.jpg,,\r\n")
    first, second = rows_of(path, prompt="cold")
    assert first.values == {"subject_image": str(tmp_path / "a.jpg"), "prompt": "warm", "steps": "7"}
    assert second.values == {"subject_image": str(tmp_path / "b" / "ü.jpg"), "prompt": "cold"}
    assert (first.number, first.where) == (1, "line 2 of people.csv")
    assert (second.number, second.where) == (2, "line 4 of people.csv")
    assert (first.names, second.names) == (("a-relit.png",), ("ü-relit.png",))


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t"), ("A.CSV", ",")])
def test_cells_stand_apart_as_the_header_says(tmp_path: Path, name: str, mark: str) -> None:
    path = manifest(tmp_path, f'subject_image{mark}prompt\na.png{mark}"x, y; z"\n', name)
    assert rows_of(path)[0].values["prompt"] == "x, y; z"


def test_the_line_is_where_the_row_begins(tmp_path: Path) -> None:
    path = manifest(tmp_path, 'subject_image,prompt,steps\na.png,"one\ntwo\n\n""three""",5\n\nb.png,"x\ny",0\n')
    assert refused(path) == "line 7 of people.csv: steps is 0, but must be a whole number from 1 to 100."
    good = rows_of(manifest(tmp_path, path.read_text().replace(",0", ",5")))
    assert [row.values["prompt"] for row in good] == ['one\ntwo\n\n"three"', "x\ny"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("subject_image,promt\na,b\n", "line 1 of people.csv: there is no column promt: did you mean prompt?"),
        ("subject_image,Light Source\na,b\n", "line 1 of people.csv: there is no column Light Source: did you mean l"),
        ("subject_image,prompt,prompt\na,b,c\n", "line 1 of people.csv: the column prompt is there twice"),
        ("prompt\na\n", "line 1 of people.csv: there is no column subject_image: each row needs"),
        ("", "line 1 of people.csv: the names of the columns are missing"),
        ("subject_image,prompt\n", "people.csv has no rows: there is nothing to relight."),
        ("subject_image,prompt\na,b\nc,d,e\n", "line 3 of people.csv: the row has 3 cells and the header has 2"),
        ("subject_image,prompt\na,b\nc\n", "line 3 of people.csv: the row has 1 cells and the header has 2"),
        ('subject_image,prompt\na,"b" c\nd,e\n', "line 2 of people.csv: the row cannot be read"),
        ('subject_image,prompt\na,b\nc,"d\ne,f\n', "line 3 of people.csv: the row cannot be read"),
        ("subject_image,prompt\na,b\n,d\n", "line 3 of people.csv: subject_image is missing: the picture whose"),
        ("subject_image,prompt\na,b\n ,d\n", "line 3 of people.csv: a picture's place is empty"),
        (b"subject_image,prompt\na,b\nc,\0\n", "line 3 of people.csv holds a NUL byte"),
        (b"subject_image,prompt\na,b\nc,\xff\n", "line 3 of people.csv is no valid UTF-8"),
        ("subject_image,prompt\na,b\n".encode("utf-16"), "line 1 of people.csv is no valid UTF-8"),
    ],
)  # fmt: skip
def test_a_fault_of_a_csv_is_told_with_its_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert refused(manifest(tmp_path, text)).startswith(said)


def test_what_is_no_utf8_far_down_is_told_with_its_line(tmp_path: Path) -> None:
    lines = [f"{index}.png,text" for index in range(5000)]
    good = "\n".join(["subject_image,prompt", *lines]).encode()
    assert "line 5002 of people.csv is no" in refused(manifest(tmp_path, good + b"\nx.png,\xfc\n"))


def test_a_csv_holds_pictures_as_data_uris(tmp_path: Path) -> None:
    uri = "data:image/png;base64," + "A" * 300_000
    path = manifest(tmp_path, f'subject_image,matte\n"{uri}",m.png\n')
    (row,) = rows_of(path)
    assert row.values == {"subject_image": uri, "matte": str(tmp_path / "m.png")}
    assert row.names == ("picture-relit.png",)


def test_json_lines(tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        '{"subject_image": "a.png", "steps": 7, "contact_shadow": true, "cfg": null, "prompt": "\\u00fc"}\n'
        "\n"
        '  {"exposure": 0.25, "subject_image": "s3://b/c.png", "negative_prompt": ""}',
        "people.jsonl",
    )
    first, second = rows_of(path, cfg="3")
    assert first.values == {
        "subject_image": str(tmp_path / "a.png"), "steps": "7", "contact_shadow": "true", "cfg": "3", "prompt": "ü",
    }  # fmt: skip
    assert second.values == {
        "subject_image": "s3://b/c.png", "exposure": "0.25", "cfg": "3", "negative_prompt": "",
    }  # fmt: skip
    assert second.where == "line 3 of people.jsonl"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"subject_image": "a.png", "promt": "x"}', "there is no column promt: did you mean prompt?"),
        ('{"subject_image": "a.png", "steps": 0}', "steps is 0, but must be"),
        ('{"subject_image": "a.png", "steps": true}', "steps is true, but must be"),
        ('{"subject_image": "a.png", "steps": 7, "steps": 8}', "steps is there twice"),
        ('{"subject_image": "a.png", "cfg": NaN}', "NaN is no JSON: write null"),
        ('{"subject_image": {"path": "a.png"}}', "subject_image is an object: a text"),
        ('{"subject_image": ["a.png"]}', "subject_image is a list: a text"),
        ('{"subject_image": ""}', "a picture's place is empty"),
        ('{"subject_image": "a.png", "prompt": "\\ud800"}', "prompt is no valid UTF-8"),
        ('{"prompt": "x"}', "subject_image is missing"),
        ('["a.png"]', "there is no object"),
        ('{"subject_image": "a.png"', "there is no JSON (Expecting ',' delimiter)"),
        ("subject_image,prompt", "there is no JSON"),
        ("[" * 100_000, "there is no JSON"),
    ],
)  # fmt: skip
def test_a_fault_of_json_lines_is_told_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    path = manifest(tmp_path, f'{{"subject_image": "z.png"}}\n\n{line}\n', "people.ndjson")
    assert refused(path).startswith(f"line 3 of people.ndjson: {said}")


def parquet(folder: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), folder / "people.parquet")
    return folder / "people.parquet"


def test_parquet(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        {
            "subject_image": pa.array(["a.png", "b.png"]).dictionary_encode(),
            "exposure": pa.array([0.01, float("nan")], pa.float32()),
            "seed": pa.array([1099511627776.0, None], pa.float64()),
            "contact_shadow": pa.array([False, None]),
            "steps": pa.array([decimal.Decimal("5.00"), None]),
            "width": pa.array([None, 512], pa.int16()),
            "matte": pa.nulls(2),
        },
    )
    first, second = rows_of(path)
    assert second.values == {"subject_image": str(tmp_path / "b.png"), "width": "512"}
    assert (second.where, second.names) == ("row 2 of people.parquet", ("b-relit.png",))
    request = RelightRequest(**first.values)
    # As a double, 0.01 in single precision lies below what exposure accepts.
    assert (request.exposure, request.seed, request.steps, request.contact_shadow) == (0.01, 2**40, 5, False)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"subject_image": ["a"], "promt": ["x"]}, "in people.parquet: there is no column promt: did you mean prompt?"),
        ({"prompt": ["x"]}, "in people.parquet: there is no column subject_image"),
        ({"subject_image": [{"path": "a"}]}, "in people.parquet: the column subject_image holds struct<path: string>"),
        ({"subject_image": [b"\x89PNG"]}, "in people.parquet: the column subject_image holds binary"),
        ({"subject_image": ["a", "b"], "steps": [5, 0]}, "row 2 of people.parquet: steps is 0, but must be"),
        ({"subject_image": ["a", None]}, "row 2 of people.parquet: subject_image is missing"),
        ({"subject_image": pa.array([], pa.string())}, "people.parquet has no rows"),
    ],
)  # fmt: skip
def test_a_fault_of_a_parquet_file(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    assert refused(parquet(tmp_path, columns)).startswith(said)


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    assert "no readable Parquet file" in refused(manifest(tmp_path, b"PAR1 and no more", "a.parquet"))
    path = parquet(tmp_path, {"subject_image": [f"{index:032x}.png" for index in range(5000)]})
    data = bytearray(path.read_bytes())
    data[100:2000] = bytes(1900)
    path.write_bytes(data)
    assert "people.parquet" in refused(path)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path, {"subject_image": ["a.png"]})
    there = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(f"No module named {name!r}")
        return there(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    assert refused(path).endswith("needs the package pyarrow: pip install 'iclight-local[parquet]'.")


def test_a_value_means_the_same_in_every_kind_of_manifest(tmp_path: Path) -> None:
    given = {
        "subject_image": "a.png",
        "steps": 7,
        "contact_shadow": True,
        "exposure": 0.1,
        "seed": 2**62,
    }
    rows = [
        rows_of(manifest(tmp_path, json.dumps(given), "a.jsonl")),
        rows_of(manifest(tmp_path, f"{','.join(given)}\na.png,7,true,0.1,{2**62}\n")),
        rows_of(parquet(tmp_path, {name: [value] for name, value in given.items()})),
    ]
    assert rows[0][0].values == rows[1][0].values == rows[2][0].values
    assert RelightRequest(**rows[0][0].values) == RelightRequest(**{**given, "subject_image": str(tmp_path / "a.png")})


def test_rows_can_be_read_again_and_a_wrong_one_stops_them(tmp_path: Path) -> None:
    source = source_of(manifest(tmp_path, "subject_image,steps\na.png,5\nb.png,0\n"))
    for _ in range(2):
        rows = source.rows()
        assert next(rows).values["steps"] == "5"
        with pytest.raises(InvalidRequest, match=r"^line 3 of people\.csv: steps is 0"):
            next(rows)
