"""What a worker does: restore an item, or a share of a long one. A fault of the item is a result, not an exception."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restill.errors import RestillError, boundary, is_machine_fault
from restill.restoring.api import restore
from restill.restoring.archive import store
from restill.restoring.archive.items import Item
from restill.restoring.archive.record import DONE, FAILED, Result, checksum
from restill.restoring.choose import keep_model
from restill.restoring.outputs import destination
from restill.restoring.request import Request
from restill.restoring.shares import SEGMENTS, Share, divide, restore_share


@dataclass(frozen=True)
class Order:
    """How every item is restored.

    Attributes:
        model: The model, or None for the default.
        arguments: The other arguments of :func:`restill.restore`.
    """

    model: str | None
    arguments: dict[str, Any] = field(default_factory=dict)


def begin_item(item: Item, order: Order, segments: int = SEGMENTS) -> Result | list[Share]:
    """Restore an item; or, if it is a long video, begin it and return its shares."""
    if order.arguments.get("untrusted") or store.is_url(item.source) or store.is_url(item.output):
        return restore_item(item, order)
    try:
        with boundary(f"'{item.source}'"):
            shares = divide(_request(item, order), segments)
    except RestillError as error:
        return failure(item, str(error), again=is_machine_fault(error))
    return shares or restore_item(item, order)


def work_on_share(item: Item, order: Order, share: Share) -> Result:
    """Restore a share of an item. The result has no frames and no checksum."""
    began = time.monotonic()
    try:
        with boundary(f"'{item.source}'"), keep_model():
            restore_share(_request(item, order), share)
    except RestillError as error:
        return failure(item, str(error), again=is_machine_fault(error))
    return Result(item.id, item.source, item.output, DONE, seconds=time.monotonic() - began)


def restore_item(item: Item, order: Order) -> Result:
    """Restore an item, or join its shares."""
    try:
        with (
            boundary(f"'{item.source}'"),
            keep_model(),
            store.at_hand(item.source) as source,
            store.to_place(item.output) as output,
        ):
            done = restore(source, output, order.model, **order.arguments)
            check = checksum(done.output)
    except RestillError as error:
        return failure(item, str(error), again=is_machine_fault(error))
    return Result(item.id, item.source, item.output, DONE, done.frames, round(done.seconds, 3), done.model, check)


def failure(item: Item, error: str, *, again: bool) -> Result:
    """The result of an item that failed."""
    return Result(item.id, item.source, item.output, FAILED, error=error, again=again)


def _request(item: Item, order: Order) -> Request:
    """The request for an item whose source and output are paths."""
    source, output = Path(item.source), Path(item.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    arguments = {name: value for name, value in order.arguments.items() if name != "untrusted"}
    return Request(source, destination(source, output), order.model, **arguments)
