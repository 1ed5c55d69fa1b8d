"""Restore an archive: many items on several processes or machines, with a record of their results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path

from restill.errors import RestillError, TryAgain
from restill.progress import count, say, some, track
from restill.restoring.archive import store
from restill.restoring.archive.dispatch import Dispatcher
from restill.restoring.archive.engines import cluster, processes
from restill.restoring.archive.items import Item, Part
from restill.restoring.archive.record import ALL, DONE, Record, Result, Totals, checksum, open_record
from restill.restoring.archive.work import Order, failure
from restill.restoring.shares import SEGMENTS
from restill.runtime.model import default_threads

RETRIES = 2  # more attempts at a piece of work after a fault of the machine


def restore_archive(
    items: Iterable[Item],
    order: Order,
    record: Path,
    *,
    jobs: int = 1,
    address: str | None = None,
    part: Part = ALL,
    twice: bool = False,
    retries: int = RETRIES,
    segments: int = SEGMENTS,
    table: Path | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Totals:
    """Restore many items. If it is interrupted, the same call goes on.

    Args:
        items: The items.
        order: How they are restored.
        record: The local file of the record, usually named :data:`restill.restoring.archive.items.RECORD`.
        jobs: Items at a time on this machine.
        address: The address of a Ray cluster; "local" starts one here; None uses plain processes.
        part: Restore only these of the items.
        twice: Allow items that are given twice.
        retries: More attempts at a piece of work after a fault of the machine.
        segments: The number of segments of a share of a long video.
        table: A CSV or Parquet file for the results.
        overwrite: Restore all items anew, and replace outputs that exist.
        quiet: Show no progress.

    Returns:
        What became of the items.

    Raises:
        RestillError: Items are alike, or the table cannot be written.
        TryAgain: The cluster cannot be reached, or the record is in use.
    """
    threads = order.arguments.get("threads") or max(1, default_threads() // jobs)
    order = replace(order, arguments={**order.arguments, "threads": threads, "quiet": True})
    shown = {name: value for name, value in order.arguments.items() if name not in ("threads", "quiet", "overwrite")}
    if address is not None:  # its workers are in other folders
        items = (replace(item, source=store.whole(item.source), output=store.whole(item.output)) for item in items)
    with open_record(record, repr((order.model, sorted(shown.items())))) as known:
        known.put_items(items, twice=twice)
        if overwrite:
            known.forget()
        before = known.totals(part)
        if before.done:
            say(f"{count(before.done, 'item')} of {before.items} done before", quiet=quiet)
        left = (item for item in known.items(part) if not _is_done(item, known, overwrite=overwrite))
        if (first := next(left, None)) is not None:
            opening = processes(jobs, order) if address is None else cluster(address, jobs, order, threads)
            with opening as engine, track("archive", before.items, "items", start=before.done, quiet=quiet) as advance:
                shared = segments if engine.slots > 1 else None
                Dispatcher(engine, known, retries, advance, quiet=quiet, segments=shared).run(chain([first], left))
        if table is not None:
            known.write_table(table, part)
        return known.totals(part)


def verdict(totals: Totals) -> str:
    """One line about all results.

    Raises:
        RestillError: Some items failed: :class:`TryAgain` if the machine was at fault for one of them.
    """
    line = f"{count(totals.done, 'item')} done, {count(totals.frames, 'frame')}"
    failed = totals.items - totals.done
    if not failed:
        return line
    kind = TryAgain if totals.again else RestillError
    names = some([f"'{name}'" for name in totals.failed])
    raise kind(f"{failed} of {totals.items} items failed, for the reasons above: {names}; {line}")


def _is_done(item: Item, record: Record, *, overwrite: bool) -> bool:
    """Whether there is nothing left to do for an item: its output is whole, or may not be replaced."""
    there = store.exists(item.output)
    result = record.result(item.id)
    if (
        result is not None
        and (result.status, result.source, result.output) == (DONE, item.source, item.output)
        and there
    ):
        return True
    if not there or overwrite or store.is_url(item.output):
        return False
    if record.is_begun(item.id):  # it was put in place, and the run ended before it was recorded
        record.add(Result(item.id, item.source, item.output, DONE, checksum=checksum(Path(item.output))))
        return True
    how = " and was made with other settings" if record.is_done_otherwise(item.id) else ""
    error = f"'{item.output}' exists{how}; name another folder, or add --overwrite"
    record.add(failure(item, error, again=False))
    say(f"error: {error}")
    return True
