"""What a worker does: restore one item. It returns a result, and raises nothing for the item's own faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from restill.errors import RestillError, boundary, is_machine_fault
from restill.restoring.api import restore
from restill.restoring.archive import store
from restill.restoring.archive.items import Item
from restill.restoring.archive.record import DONE, FAILED, Result, checksum


@dataclass(frozen=True)
class Order:
    """How every item is restored.

    Attributes:
        model: The model, or None for the default.
        arguments: The other arguments of :func:`restill.restore`.
    """

    model: str | None
    arguments: dict[str, Any] = field(default_factory=dict)


def restore_item(item: Item, order: Order) -> Result:
    """Restore one item."""
    try:
        with (
            boundary(f"'{item.source}'"),
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
