"""``restill derain`` and ``restore`` for many inputs: several processes, a manifest, a cluster."""

from __future__ import annotations

from pathlib import Path

from restill.cli import ending
from restill.cli.options import RestoringOptions
from restill.errors import RestillError
from restill.restoring.archive import store


def restore_archive(
    word: str, given: list[str], output: str | None, model: str | None, options: RestoringOptions, *, fast: bool
) -> None:
    """Restore many inputs at a time, with a record of their results."""
    from restill import zoo
    from restill.progress import say
    from restill.restoring.archive.items import RECORD, Part, manifest_items, named_items
    from restill.restoring.archive.run import restore_archive as run
    from restill.restoring.archive.run import verdict
    from restill.restoring.archive.work import Order
    from restill.zoo.show import licence_note

    if bool(given) == (options.manifest is not None):
        raise RestillError("give either inputs or --manifest FILE, not both" if given else "an input is missing")
    if output == "-" or "-" in given:
        raise RestillError("many inputs cannot use standard input and output; name files, and a folder with -o")
    if options.preview is not None:
        raise RestillError("--preview is for a single input; leave out the options for many inputs")
    items = manifest_items(options.manifest, output) if options.manifest else named_items(given, output, word)
    part = Part() if options.part is None else Part.of(options.part)
    running = {**options.running(), "settings": options.settings(), "limits": options.limits(), "fast": fast}
    totals = run(
        items,
        Order(model, running),
        _record_folder(given, output, options) / part.name(RECORD),
        jobs=options.jobs or 1,
        part=part,
        twice=options.manifest is None,
        address=options.cluster,
        retries=options.retries,
        table=options.results,
        overwrite=options.overwrite,
        quiet=options.quiet,
    )
    clips = "derain-fast" if fast else "derain"
    note = licence_note([model] if model else [zoo.default(clips), zoo.default("derain-picture")])
    if note and totals.done:
        say(note, quiet=options.quiet)
    ending.tell(verdict(totals))


def _record_folder(given: list[str], output: str | None, options: RestoringOptions) -> Path:
    """The local folder of the record: that of the results, or of the table if they go to a URL."""
    from restill.restoring.archive.items import is_file

    if output is not None and not store.is_url(output):
        return Path(output).absolute().parent if is_file(output) else Path(output)
    if options.results is not None:
        return options.results.absolute().parent
    if output is None and given:
        return Path()
    raise RestillError("where to keep the record is not known: add --results FILE, and it is kept beside that file")
