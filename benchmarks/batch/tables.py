"""What the experiments of a batch found, as a table for the page of the benchmarks."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any


def batch_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each figure.

    Args:
        found: results by the name of their experiment: ``crashes``, ``poison``, ``million``, ``speed``, ``fullsize``.
    """
    rows = [
        *_crashes(found["crashes"]),
        *_poison(found["poison"]),
        *_million(found["million"]),
        *_speed(found["speed"]),
        *_fullsize(found["fullsize"]),
    ]
    return "\n".join(["| experiment | figure | measured |", "|---|---|---|", *rows]) + "\n"


def _crashes(result: Mapping[str, Any]) -> list[str]:
    crashes = result["crashes"]
    what = f"{crashes['pictures']} pictures, `kill -9` {crashes['kills']} times, groups of {crashes['together']}"
    done = ", ".join(map(str, result["done_at_each_kill"]))
    return [
        f"| {what} | files that are missing, different from an undisturbed run's, or strange | "
        f"{len(result['missing'])}, {len(result['different'])}, {len(result['strange'])} of {result['pictures']} |",
        f"| | pictures told done twice | {result['told_twice']} |",
        f"| | pictures that were there at each kill | {done} |",
    ]


def _poison(result: Mapping[str, Any]) -> list[str]:
    what = f"{result['poison']['rows']} rows, {result['failed']} of {len(result['kinds'])} kinds cannot be relit"
    return [
        f"| {what} | made; failed with a sentence; ended otherwise than they should; exit status | "
        f"{result['made']}; {result['failed']}; {len(result['wrong'])}; {result['exit_status']} |"
    ]


def _million(result: Mapping[str, Any]) -> list[str]:
    few, rows = result["few"], result["rows"]
    what = f"{result['million']['rows']:,} rows of CSV ({rows['bytes'] / 1e6:.0f} MB), {rows['made']} of them run"
    short = f"{result['million']['few']:,} rows"
    return [
        f"| {what} | seconds from the start of the process to the first picture; with {short} | "
        f"{rows['first_s']:.1f}; {few['first_s']:.1f} |",
        f"| | peak memory; times that of {short} | {rows['peak_mib']:.0f} MiB; {result['memory_ratio']:.3f} |",
    ]


def _speed(result: Mapping[str, Any]) -> list[str]:
    speed = result["speed"]
    what = (
        f"{speed['pictures']} pictures of {speed['side']} pixels, cut out, {speed['width']} x {speed['height']}, "
        f"{speed['steps']} steps, {speed['weights']}, {speed['runs']} runs"
    )
    ratios = result["times_a_batch"]
    return [
        f"| {what} | a process for each picture, in times the batch, starts included | {ratios['processes']:.2f} |",
        f"| | a plain loop over the engine, alike | {ratios['loop']:.2f} |",
        f"| | part of a batch's time, loading apart, that is sampling | {_percent(result['sampling_share'])} |",
    ]


def _fullsize(result: Mapping[str, Any]) -> list[str]:
    speed = result["speed"]
    what = f"the same at SD1.5's size, random weights, {speed['width']} x {speed['height']}, {speed['steps']} steps"
    what += f", highres scale {speed['highres_scale']:g}, {speed['pictures']} pictures, {speed['runs']} run"
    return [f"| {what} | part of the time that is sampling | {_percent(result['sampling_share'])} |"]


def _percent(shares: list[float]) -> str:
    return f"{100 * statistics.median(shares):.1f} %"
