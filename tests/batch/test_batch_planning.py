"""Which rows run, in which company, and that a stop changes neither."""

import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from rows import picture, rows_of

from iclight_local.batch.base import Group, Outcome, Row
from iclight_local.batch.keys import asked_of, contents_of, key_of, seed_of
from iclight_local.batch.ledger import Ledger
from iclight_local.batch.options import BatchOptions
from iclight_local.batch.output import Output
from iclight_local.batch.planning import Found, Planner, Scout
from iclight_local.request import RelightRequest
from tests.fake_engine import FakeEngine


def found(shapes: Iterable[str]) -> Iterator[Found]:
    for number, shape in enumerate(shapes, 1):
        yield Found(Row(number, f"row {number}", {}, (f"{number}.png",)), "run", "asked", {}, shape)


def known(ledger: Ledger, each: Found) -> Found:
    """What a scout would find: what is done is done, what was begun is of its group."""
    entry = ledger.entry(each.row.name)
    if entry is None:
        return each
    if entry.state != "planned":
        return Found(each.row, "done")
    return Found(each.row, "run", each.asked, {}, each.shape, entry.group)


def names(group: Group) -> tuple[str, ...]:
    return tuple(row.name for row in group.rows)


def keep(ledger: Ledger, group: Group) -> None:
    ledger.keep([Outcome(row.name, "key", 1) for row in group.rows])


@pytest.mark.parametrize("seed", range(12))
def test_a_stopped_batch_forms_the_groups_of_one_that_was_not(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    shapes = [chance.choice("aaabbc") for _ in range(120)]
    together = chance.choice([1, 2, 4, 8])
    whole = Planner(Ledger(tmp_path / "whole.sqlite"), together, None, lambda found: None)
    wanted = {names(group) for group in whole.groups(found(shapes))}
    done: set[tuple[str, ...]] = set()
    for _ in range(20):
        # Killed: groups that were given out are done or not, whatever their order.
        ledger = Ledger(tmp_path / "stopped.sqlite")
        planner = Planner(ledger, together, None, lambda found: None)
        begun: list[Group] = []
        stop_after = chance.randint(0, 9)
        for group in planner.groups(known(ledger, each) for each in found(shapes)):
            begun.append(group)
            if len(begun) > 2:
                over = begun.pop(chance.randrange(2))
                assert names(over) not in done, "no group is done twice"
                done.add(names(over))
                keep(ledger, over)
            if len(done) % 10 == stop_after:
                break
        ledger.close()
    ledger = Ledger(tmp_path / "stopped.sqlite")
    for group in Planner(ledger, together, None, lambda found: None).groups(known(ledger, e) for e in found(shapes)):
        done.add(names(group))
        keep(ledger, group)
    assert done == wanted


def test_rows_of_one_shape_share_a_group_and_a_rare_shape_does_not_wait_for_ever(tmp_path: Path) -> None:
    planner = Planner(Ledger(tmp_path / "b.sqlite"), 2, None, lambda found: None)
    groups = [names(group) for group in planner.groups(found("abababcababab"))]
    assert groups[0] == ("1.png", "3.png") and groups[1] == ("2.png", "4.png")
    assert ("7.png",) in groups
    rare = Planner(Ledger(tmp_path / "r.sqlite"), 2, None, lambda found: None)
    order = [names(group) for group in rare.groups(found("abcdefghi" + "aa"))]
    assert order[0] == ("1.png",), "the oldest goes first when too many wait"


def test_a_limit_is_kept(tmp_path: Path) -> None:
    planner = Planner(Ledger(tmp_path / "b.sqlite"), 4, 6, lambda found: None)
    assert [len(group.rows) for group in planner.groups(found("a" * 100))] == [4, 2]


class Scene:
    """A batch's world: pictures, an output, a ledger, a fake engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / "out" / ".iclight" / "batch.sqlite")
        self.output = Output(str(folder / "out"))
        self.engine = FakeEngine()

    def verdicts(self, rows: Iterable[Row], **options: object) -> list[Found]:
        scout = Scout(self.ledger, self.output, BatchOptions(out="out", **options), self.engine, {"weights": "fake"})
        return list(scout.all(rows))

    def make(self, found: Found, contents: str = "key") -> None:
        planner = Planner(self.ledger, 1, None, lambda found: None)
        for group in planner.groups([found]):
            self.output.write(dict.fromkeys(group.rows[0].names, b"a picture"))
            names = group.rows[0].names
            files = {name: self.output.sha256(name) for name in names}
            written = {name: self.output.stamp(name) for name in names}
            self.ledger.keep([Outcome(found.row.name, contents, 1, files, written)])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_what_is_done_is_known_by_its_pictures_and_what_was_asked(scene: Scene) -> None:
    rows = rows_of(scene.folder, 2, prompt="warm")
    for each in scene.verdicts(rows):
        scene.make(each)
    assert [each.verdict for each in scene.verdicts(rows)] == ["done", "done"]
    changed = rows_of(scene.folder, 2, prompt="cold")
    (one, two) = scene.verdicts(changed)
    assert one.verdict == two.verdict == "refused"
    assert one.error is not None and "was asked for otherwise when this batch made it: add --overwrite" in one.error[1]
    assert [each.verdict for each in scene.verdicts(changed, overwrite=True)] == ["run", "run"]


def test_a_picture_that_was_only_touched_is_done_and_another_one_is_not(scene: Scene) -> None:
    (row,) = rows_of(scene.folder, 1)
    key = key_of(asked_of(RelightRequest(**row.values)), contents_of(row, offline=True))
    scene.make(scene.verdicts([row])[0], key)
    path = Path(str(row.values["subject_image"]))
    data = path.read_bytes()
    path.unlink()
    assert scene.verdicts([row])[0].verdict == "done", "who clears pictures away keeps their results"
    path.write_bytes(data)
    assert scene.verdicts([row])[0].verdict == "done"
    picture(path, seed=99)
    (other,) = scene.verdicts([row])
    assert other.error is not None and "made from another picture" in other.error[1]


def test_a_result_that_was_deleted_is_made_again(scene: Scene) -> None:
    (row,) = rows_of(scene.folder, 1)
    scene.make(scene.verdicts([row])[0])
    Path(scene.output.place(row.name)).unlink()
    assert scene.verdicts([row])[0].verdict == "run"


def test_somebody_elses_file_is_refused(scene: Scene) -> None:
    (row,) = rows_of(scene.folder, 1)
    scene.output.write({row.name: b"a holiday"})
    (found,) = scene.verdicts([row])
    assert found.verdict == "refused" and found.error is not None
    assert found.error[1].endswith(
        "p1-relit.png exists already, and this batch did not make it: "
        "add --overwrite, or choose another --name or --out."
    )
    assert scene.ledger.entry(row.name) is None
    assert scene.verdicts([row], overwrite=True)[0].verdict == "run"


def test_what_failed_is_told_again_and_runs_again_when_asked_or_mended(scene: Scene) -> None:
    row = Row(1, "line 2 of a.csv", {"subject_image": str(scene.folder / "missing.png")}, ("m.png",))
    told: list[Found] = []
    for _ in range(2):
        list(Planner(scene.ledger, 1, None, told.append).groups(scene.verdicts([row])))
    assert [(each.verdict, each.known) for each in told] == [("failed", False), ("failed", True)]
    assert told[0].error == told[1].error and told[0].error is not None and "does not exist" in told[0].error[1]
    picture(scene.folder / "missing.png", 1)
    assert scene.verdicts([row])[0].verdict == "run", "it is there now"
    scene.ledger.keep([Outcome.failure(row.name, "NoSubject", "Nothing stands out.")])
    assert scene.verdicts([row], retry=True)[0].verdict == "run"


def test_rows_with_pictures_elsewhere_keep_their_order(scene: Scene) -> None:
    rows = rows_of(scene.folder, 40)
    elsewhere = [
        Row(row.number, row.where, {"subject_image": f"http://127.0.0.1:9/{row.number}.png"}, row.names)
        if row.number % 3
        else row
        for row in rows
    ]
    assert [each.row.number for each in scene.verdicts(elsewhere)] == list(range(1, 41))


def test_what_is_not_the_batchs_own_is_left_alone_whatever_became_of_the_row(scene: Scene) -> None:
    row = Row(1, "line 2 of a.csv", {"subject_image": str(scene.folder / "missing.png")}, ("m.png",))
    for name in ("m.png", "m.png.json"):
        list(Planner(scene.ledger, 1, None, lambda found: None).groups(scene.verdicts([row])))
        scene.output.write({name: b"a holiday"})
        picture(scene.folder / "missing.png", 1)
        (found,) = scene.verdicts([row], retry=True)
        assert found.verdict == "refused" and found.error is not None and f"{name} exists already" in found.error[1]
        Path(scene.output.place(name)).unlink()
        (scene.folder / "missing.png").unlink()


def test_a_row_that_cannot_be_looked_at_keeps_what_is_known_of_it(scene: Scene) -> None:
    (row,) = rows_of(scene.folder, 1, prompt="warm")
    scene.make(scene.verdicts([row])[0])
    path = Path(str(row.values["subject_image"]))
    data, times = path.read_bytes(), path.stat()
    path.unlink()
    (cold,) = rows_of(scene.folder / "else", 1, prompt="cold")
    cold = Row(1, cold.where, {**row.values, "prompt": "cold"}, row.names)
    told: list[Found] = []
    list(Planner(scene.ledger, 1, None, told.append).groups(scene.verdicts([cold])))
    assert told[0].verdict == "failed"
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert scene.verdicts([row])[0].verdict == "done"
    assert scene.verdicts([cold])[0].verdict == "refused"


def test_a_result_that_somebody_changed_is_refused_and_one_that_was_copied_is_not(scene: Scene) -> None:
    (row,) = rows_of(scene.folder, 1)
    scene.make(scene.verdicts([row])[0])
    path = Path(scene.output.place(row.name))
    os.utime(path, ns=(1, 1))
    assert scene.verdicts([row])[0].verdict == "done"
    path.write_bytes(path.read_bytes()[:3])
    (found,) = scene.verdicts([row])
    assert found.error is not None and "p1-relit.png is not as this batch made it: add --overwrite" in found.error[1]
    assert scene.verdicts([row], overwrite=True)[0].verdict == "run"


def test_a_picture_is_never_replaced_by_its_own_result(scene: Scene) -> None:
    (row,) = rows_of(scene.folder / "out", 1)
    (found,) = scene.verdicts([Row(1, row.where, row.values, ("p1.png",))], overwrite=True)
    assert found.verdict == "refused" and found.error is not None and "would take the place of" in found.error[1]


def test_a_begun_row_that_is_asked_for_otherwise_leaves_its_group(scene: Scene) -> None:
    (row,) = rows_of(scene.folder, 1, prompt="warm")
    list(Planner(scene.ledger, 2, None, lambda found: None).groups(scene.verdicts([row])))
    assert scene.verdicts([row])[0].group == 1
    assert scene.verdicts([Row(1, row.where, {**row.values, "prompt": "cold"}, row.names)])[0].group is None


def test_new_stamps_of_the_same_picture_are_kept(scene: Scene) -> None:
    (row,) = rows_of(scene.folder, 1)
    key = key_of(asked_of(RelightRequest(**row.values)), contents_of(row, offline=True))
    scene.make(scene.verdicts([row])[0], key)
    path = Path(str(row.values["subject_image"]))
    os.utime(path, ns=(1, 1))
    assert scene.verdicts([row])[0].verdict == "done"
    entry = scene.ledger.entry(row.name)
    assert entry is not None and entry.stamps["subject_image"].endswith("-1")


def test_what_is_left_to_its_default_is_not_part_of_what_is_asked() -> None:
    plain, said = RelightRequest(subject_image="a.png"), RelightRequest(subject_image="a.png", prompt="", fit="crop")
    assert asked_of(plain) == asked_of(said)
    assert asked_of(plain) != asked_of(RelightRequest(subject_image="a.png", prompt="warm"))


def test_a_seed_follows_from_what_changes_pixels_alone() -> None:
    asked = RelightRequest(subject_image="a.png", prompt="warm")
    contents = {"subject_image": b"1"}
    assert seed_of(asked, contents) == seed_of(asked.model_copy(update={"output_format": "webp"}), contents)
    assert seed_of(asked, contents) != seed_of(asked.model_copy(update={"prompt": "cold"}), contents)
    assert seed_of(asked, contents) != seed_of(asked, {"subject_image": b"2"})


def test_a_begun_group_is_given_out_whole_whatever_the_limit(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "b.sqlite")
    next(Planner(ledger, 4, None, lambda found: None).groups(found("aaaaaaaa")))
    again = Planner(ledger, 4, 2, lambda found: None)
    groups = [names(group) for group in again.groups(known(ledger, each) for each in found("aaaaaaaa"))]
    assert groups == [("1.png", "2.png", "3.png", "4.png")]


def test_frames_stay_in_their_order_whatever_their_shapes(scene: Scene) -> None:
    rows = rows_of(scene.folder, 2)
    rows[1] = Row(2, rows[1].where, {**rows[1].values, "width": "256"}, rows[1].names)
    shapes = [each.shape for each in scene.verdicts(rows, sequence=True)]
    assert shapes[0] == shapes[1]
    assert len({each.shape for each in scene.verdicts(rows)}) == 2


def test_a_provider_is_not_asked_twice_for_what_was_under_way(scene: Scene) -> None:
    rows = rows_of(scene.folder, 2)

    def scout(**options: object) -> Scout:
        setup = {"providers": ["segmind-ic-light"]}
        return Scout(scene.ledger, scene.output, BatchOptions(out="out", **options), scene.engine, setup)

    next(Planner(scene.ledger, 1, None, lambda found: None).groups(scout().all(rows)))
    told: list[Found] = []
    (group,) = Planner(scene.ledger, 1, None, told.append).groups(scout().all(rows))
    assert names(group) == ("p2-relit.png",)
    assert told[0].error is not None and told[0].error[1].endswith("and be paid: --retry asks again.")
    entry = scene.ledger.entry("p1-relit.png")
    assert entry is not None and entry.state == "failed"
    assert [each.verdict for each in scout(retry=True).all(rows)] == ["run", "run"]
