"""Restore an archive: hand items to workers, record each result, and try again what failed for the machine's fault."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from restill.errors import RestillError, TryAgain
from restill.progress import count, say, some, track
from restill.restoring.archive import store
from restill.restoring.archive.engines import Engine, cluster, processes
from restill.restoring.archive.items import Item
from restill.restoring.archive.record import DONE, Record, Result, checksum, open_record
from restill.restoring.archive.work import Order, failure
from restill.runtime.model import default_threads

RECORD = "restill-results.jsonl"
RETRIES = 2  # more attempts at an item after a fault of the machine


def restore_archive(
    items: Sequence[Item],
    order: Order,
    record: Path,
    *,
    jobs: int = 1,
    address: str | None = None,
    retries: int = RETRIES,
    table: Path | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> list[Result]:
    """Restore many items. If it is interrupted, the same call goes on.

    Args:
        items: The items.
        order: How they are restored.
        record: The local file of the record, usually :data:`RECORD` in the folder of the results.
        jobs: Items at a time on this machine.
        address: The address of a Ray cluster; "local" starts one here; None uses plain processes.
        retries: More attempts at an item after a fault of the machine.
        table: A CSV or Parquet file for the results.
        overwrite: Begin anew, and replace outputs that exist.
        quiet: Show no progress.

    Returns:
        A result for each item, in order.

    Raises:
        RestillError: The record is of other settings or in use, or the table cannot be written.
        TryAgain: The cluster cannot be reached.
    """
    threads = order.arguments.get("threads") or max(1, default_threads() // jobs)
    order = replace(order, arguments={**order.arguments, "threads": threads, "quiet": True})
    shown = {name: value for name, value in order.arguments.items() if name not in ("threads", "quiet", "overwrite")}
    if address is not None:  # its workers are in other folders
        items = [replace(item, source=store.whole(item.source), output=store.whole(item.output)) for item in items]
    engine = processes(jobs, order) if address is None else cluster(address, jobs, order, threads)
    with open_record(record, repr((order.model, sorted(shown.items()))), anew=overwrite) as known:
        left = [item for item in items if not _is_done(item, known, overwrite=overwrite)]
        before = len(items) - len(left)
        if before:
            say(f"{count(before, 'item')} of {len(items)} done before", quiet=quiet)
        if left:
            with track("archive", len(items), "items", start=before, quiet=quiet) as advance:
                _run(left, known, engine, retries, advance, quiet=quiet)
        if table is not None:
            known.write_table(table, (item.id for item in items))
        return [known.results[item.id] for item in items]


def verdict(results: Sequence[Result]) -> str:
    """One line about all results.

    Raises:
        RestillError: Some items failed: :class:`TryAgain` if the machine was at fault for one of them.
    """
    failed = [result for result in results if result.status != DONE]
    frames = sum(result.frames or 0 for result in results)
    line = f"{count(len(results) - len(failed), 'item')} done, {count(frames, 'frame')}"
    if not failed:
        return line
    kind = TryAgain if any(result.again for result in failed) else RestillError
    names = some([f"'{result.id}'" for result in failed])
    raise kind(f"{len(failed)} of {len(results)} items failed, for the reasons above: {names}; {line}")


def _run(
    items: Sequence[Item],
    record: Record,
    opening: AbstractContextManager[Engine],
    retries: int,
    advance: object,
    *,
    quiet: bool,
) -> None:
    todo = deque((item, 1) for item in items)
    running: dict[Future[Result], tuple[Item, int]] = {}
    with opening as engine:
        while todo or running:
            while todo and len(running) < engine.slots:
                item, attempt = todo.popleft()
                record.begin(item.id)
                running[engine.submit(item)] = item, attempt
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                item, attempt = running.pop(future)
                result = replace(_result_of(future, item), attempts=attempt)
                if result.again and attempt <= retries:
                    say(f"trying '{item.id}' again: {result.error}", quiet=quiet)
                    todo.append((item, attempt + 1))
                    continue
                record.add(result)
                if result.error:
                    say(f"error: {result.error}")
                advance()  # type: ignore[operator]


def _result_of(future: Future[Result], item: Item) -> Result:
    """The result of an item; a failure if its worker died."""
    try:
        return future.result()
    except Exception as error:
        words = " ".join(str(error).split()) or type(error).__name__
        return failure(
            item, f"'{item.source}': the process that restored it died ({words}); is there enough memory?", again=True
        )


def _is_done(item: Item, record: Record, *, overwrite: bool) -> bool:
    """Whether there is nothing left to do for an item: its output is whole, or may not be replaced."""
    there = store.exists(item.output)
    result = record.results.get(item.id)
    if result is not None and result.status == DONE and there:
        return True
    if not there or overwrite or store.is_url(item.output):
        return False
    if item.id in record.begun:  # it was put in place, and the run ended before it was recorded
        record.add(Result(item.id, item.source, item.output, DONE, checksum=checksum(Path(item.output))))
        return True
    record.add(failure(item, f"'{item.output}' exists; name another folder, or add --overwrite", again=False))
    say(f"error: {record.results[item.id].error}")
    return True
