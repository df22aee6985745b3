"""Turns between owners."""

from __future__ import annotations

import pytest

from iclight_local.jobs.order import fair_order


@pytest.mark.parametrize(
    ("waiting", "served", "order"),
    [
        ("", {}, ""),
        ("a1 a2 a3", {}, "a1 a2 a3"),
        ("a1 a2 a3 b1", {}, "a1 b1 a2 a3"),
        ("a1 a2 b1 c1 b2", {}, "a1 b1 c1 a2 b2"),
        ("a1 b1", {"a": 1}, "b1 a1"),
        ("a1 b1 c1", {"a": 5, "b": 3}, "c1 b1 a1"),
    ],
)
def test_who_is_next(waiting: str, served: dict[str, int], order: str) -> None:
    assert fair_order([(job, job[0]) for job in waiting.split()], served) == order.split()


def test_hundreds_of_jobs_of_one_delay_another_by_one() -> None:
    many = [(f"a{number}", "a") for number in range(500)]
    assert fair_order([*many, ("b", "b")], {"a": 7, "b": 6}).index("b") == 0
    assert fair_order([*many, ("b", "b")], {"a": 6, "b": 7}).index("b") == 1
