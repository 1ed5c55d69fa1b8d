"""Share out the segments of one long video to several processes, which may be on several machines.

One process begins the job with :func:`divide`. Then each share is restored by :func:`restore_share`, in any order and
at the same time. At last :func:`restill.restoring.run.run` finds all segments in the journal, checks them again and
joins them. If a segment is missing or wrong, it makes it and all later ones anew.
"""

from __future__ import annotations

import warnings
from contextlib import closing
from dataclasses import dataclass
from itertools import takewhile

from restill.restoring.request import Request
from restill.restoring.run import (
    check_settings,
    choose_for,
    job_description,
    load_chosen,
    restore_frames,
    source_of,
)
from restill.video.decode import VideoSource
from restill.video.journal import ResumableJob, open_journal, open_share
from restill.video.photographs import decide
from restill.video.picture_names import is_picture
from restill.video.picture_source import PictureSource
from restill.video.pipe_names import is_pipe
from restill.video.seeking import KeyFrame, read_index
from restill.video.segment_folder import ALL
from restill.video.segments import check_segments, segment_start
from restill.video.transcode import check_output

SEGMENTS = 10  # of a share: 100 s of 720p at 24 frames per second


@dataclass(frozen=True)
class Share:
    """A share of a job.

    Attributes:
        numbers: The numbers of its segments; those of the last share are open-ended.
        key: The key frame of the source where decoding begins; None for its first frame.
    """

    numbers: range
    key: KeyFrame | None = None


def divide(request: Request, segments: int = SEGMENTS) -> list[Share]:
    """Begin a job, unless it was begun, and divide it into shares.

    Args:
        request: The request. The model is not a loaded one.
        segments: The number of segments of a share.

    Returns:
        The shares; none if the video is shorter than two, or if it cannot be divided: the output is no video, or the
        source is a pipe or has irregular times.

    Raises:
        RestillError: As :func:`restill.restore`.
    """
    dst = request.dst
    if is_pipe(request.src) or dst.is_dir() or not dst.suffix or is_picture(dst) or request.preview is not None:
        return []
    with closing(source_of(request)) as source:
        decide(source, request.alone, to_folder=False)
        info = source.info
        least = segment_start(info.height, info.width, 2 * segments)
        if info.alone or (info.expected_frames or 0) <= least:
            return []
        index = read_index(info.path, request.limits) if isinstance(source, VideoSource) else None
        if index is None and not isinstance(source, PictureSource):
            return []
        frames = index.frames if index else info.expected_frames or 0
        check_output(request.src, dst, request.overwrite)
        check_settings(request, source)
        with open_journal(dst, job_description(request)) as journal:
            model = load_chosen(request, info, journal.chosen) if journal.chosen else choose_for(request, info, journal)
            journal.is_shared = True
    firsts = list(takewhile(lambda first: segment_start(info.height, info.width, first) < frames, ALL[::segments]))
    shares, context = [], max(1, model.info.frames_before)  # the frame before a segment is needed for its mark
    for first, stop in zip(firsts, [*firsts[1:], ALL.stop], strict=True):
        start = segment_start(info.height, info.width, first)
        shares.append(Share(ALL[first:stop], index and index.before(start - context)))
    return shares


def restore_share(request: Request, share: Share) -> None:
    """Restore the frames of a share, and leave them in the journal of the output.

    Raises:
        RestillError: As :func:`restill.restore`.
    """
    with (
        closing(source_of(request)) as source,
        open_share(request.dst, job_description(request), share.numbers) as (folder, chosen),
        warnings.catch_warnings(),
    ):
        if share.numbers.start:  # the first share gives the notes for all
            warnings.simplefilter("ignore")
        decide(source, request.alone, to_folder=False)
        info, numbers = source.info, share.numbers
        first = segment_start(info.height, info.width, numbers.start)
        end = None if numbers.stop == ALL.stop else segment_start(info.height, info.width, numbers.stop)
        done = check_segments(folder, info)
        start = first + done.frames
        if start == end:
            return
        model = load_chosen(request, info, chosen)
        before, after = model.info.frames_before, model.info.frames_after
        job = ResumableJob(folder, start, before, share.key, done.last, end, after)
        restore_frames(request, source, model, job, None)
