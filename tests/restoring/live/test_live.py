"""restill live from a camera on this machine: frames, times, sound, cameras that vanish, slow machines and targets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from cameras import HEIGHT, WIDTH, Camera, footage, free_port, scene, until
from doubles import model
from rtsp_camera import RtspCamera

from restill.errors import RestillError
from restill.restoring.live.run import live
from restill.restoring.live.settings import Live


def pictures(path: Path) -> tuple[list[float], list[np.ndarray]]:
    """The times and the frames (H, W, 3) of a file."""
    with av.open(str(path)) as container:
        frames = [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]
    return [time_ for time_, _ in frames], [frame for _, frame in frames]


def is_whole(summary) -> bool:
    """Whether every frame that came in is out, left out or dropped."""
    return summary.frames_in == summary.frames_out + summary.left_out + summary.dropped


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_restored_frames_with_the_cameras_times(start: Callable, camera: Camera, tmp_path: Path, suffix: str) -> None:
    run = start(camera.address, str(tmp_path / f"out{suffix}"))
    run.wait_for("frames_out", 15)
    summary = run.stop()
    times, frames = pictures(tmp_path / f"out{suffix}")
    assert len(frames) == summary.frames_out >= 15
    assert is_whole(summary)
    steps = np.diff(times)
    assert np.allclose(steps / (1 / 30), np.rint(steps * 30), atol=0.05)  # the camera's own steps, a frame or more
    assert steps.min() > 0
    ground = np.median(scene(0)) - 0.1 * 255  # the model makes every frame darker
    assert all(abs(np.median(frame) - ground) < 8 for frame in frames)
    assert frames[0].shape == (HEIGHT, WIDTH, 3)


def test_a_camera_that_vanishes_and_comes_back(start: Callable, camera: Camera, tmp_path: Path, capfd) -> None:
    run = start(camera.address, str(tmp_path / "out.mkv"))
    run.wait_for("frames_out", 5)
    camera.vanish()
    time.sleep(0.5)
    before = run.number("frames_out")
    camera.appear()
    run.wait_for("frames_out", int(before) + 5)
    summary = run.stop()
    assert summary.reconnects == 1
    assert is_whole(summary)
    times, frames = pictures(tmp_path / "out.mkv")
    steps = np.diff(times)
    assert steps.min() > 0
    assert steps.max() > 0.4  # the pause stays a pause
    assert len(frames) == summary.frames_out
    said = capfd.readouterr().err
    assert said.count("is away") == said.count("is back") == 1


def test_a_camera_that_comes_back_in_another_size(start: Callable, camera: Camera, tmp_path: Path) -> None:
    run = start(camera.address, str(tmp_path / "out.mkv"))
    run.wait_for("frames_out", 5)
    camera.vanish()
    camera.parts = footage(width=128, height=96)
    camera.appear()
    run.wait_for("reconnects", 1)
    run.wait_for("frames_out", int(run.number("frames_out")) + 5)
    run.stop()
    assert {frame.shape for frame in pictures(tmp_path / "out.mkv")[1]} == {(HEIGHT, WIDTH, 3)}


def test_a_clock_that_wraps_does_not_show(start: Callable, camera: Camera, tmp_path: Path) -> None:
    """MPEG-TS counts 33 bits of 1/90000 s, which is 26.5 hours."""
    camera.parts = footage(start=2**33 - 120_000)
    run = start(camera.address, str(tmp_path / "out.mkv"))
    run.wait_for("frames_out", 45)
    run.stop()
    times, _ = pictures(tmp_path / "out.mkv")
    steps = np.diff(times)
    assert 0 < steps.min() <= steps.max() < 1
    assert times[-1] > 1.3


@pytest.mark.parametrize(
    ("codec", "suffix", "kept"), [("mp2", ".ts", "mp2"), ("aac", ".mkv", "aac"), ("aac", ".mp4", "aac")]
)
def test_sound_is_passed_on_in_step(start: Callable, tmp_path: Path, codec: str, suffix: str, kept: str) -> None:
    camera = Camera(footage(sound=codec))
    run = start(camera.address, str(tmp_path / f"out{suffix}"))
    run.wait_for("frames_out", 40)
    run.stop()
    camera.vanish()
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert container.streams.audio[0].codec_context.name.startswith(kept)
        ends = dict.fromkeys(("audio", "video"), 0.0)
        for packet in container.demux():
            if packet.pts is not None:
                ends[packet.stream.type] = float(packet.pts * packet.time_base)
    assert abs(ends["audio"] - ends["video"]) < 0.5


def test_sound_can_be_left_out(start: Callable, tmp_path: Path) -> None:
    camera = Camera(footage(sound="aac"))
    run = start(camera.address, str(tmp_path / "out.mkv"), sound=False)
    run.wait_for("frames_out", 5)
    run.stop()
    camera.vanish()
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert not container.streams.audio


def test_fewer_frames_and_another_size_if_asked(start: Callable, camera: Camera, tmp_path: Path) -> None:
    run = start(camera.address, str(tmp_path / "out.mkv"), fps=10.0, size="32")
    run.wait_for("frames_out", 12)
    summary = run.stop()
    times, frames = pictures(tmp_path / "out.mkv")
    assert frames[0].shape == (32, 48, 3)
    assert summary.left_out >= summary.frames_out
    assert is_whole(summary)
    assert np.diff(times).min() > 0.09


def test_a_slow_machine_drops_frames_and_keeps_the_delay(
    start: Callable, camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The neighbors of a restored frame are those that the camera sent next to it."""
    windows: list[np.ndarray] = []
    slow = model()
    compute = slow._whole

    def take_long(window: np.ndarray) -> np.ndarray:
        windows.append(window.copy())
        time.sleep(0.2)
        return compute(window)

    slow._whole = take_long
    camera.parts = footage()
    monkeypatch.setattr("restill.restoring.live.run.load_model", lambda *_, **__: slow)
    run = start(camera.address, str(tmp_path / "out.mkv"), delay=20.0)
    run.wait_for("frames_out", 12)
    summary = run.stop()
    assert is_whole(summary)
    assert summary.dropped > summary.frames_out  # at most 5 of 30 frames a second can be restored
    assert summary.median < 2.0  # frames do not pile up
    turns = np.angle(np.stack(windows)[:, 0].mean(axis=(2, 3)) @ np.exp(2j * np.pi * np.arange(WIDTH) / WIDTH))
    steps = np.diff(turns, axis=1) % (2 * np.pi) * WIDTH / (2 * np.pi)  # pixels that the bar moves
    assert np.mean(np.abs(steps - 3) < 2) > 0.8


def test_late_frames_are_dropped(
    start: Callable, camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = model()
    compute = slow._whole
    slow._whole = lambda window: (time.sleep(0.5), compute(window))[1]
    monkeypatch.setattr("restill.restoring.live.run.load_model", lambda *_, **__: slow)
    run = start(camera.address, str(tmp_path / "out.mkv"), delay=0.3)
    run.wait_for("dropped", 20)
    summary = run.stop()
    assert summary.frames_out == 0
    assert is_whole(summary)


def test_a_camera_that_pauses_leaves_no_frame_waiting(
    start: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last frame before a pause has no frame after it; it is written within the delay all the same."""
    monkeypatch.setattr("restill.restoring.live.connection.SILENCE", 60.0)
    camera = Camera((*footage(60), *([b""] * 900)))  # it stays connected, and sends nothing
    run = start(camera.address, str(tmp_path / "out.mkv"), delay=2.0)
    run.wait_for("frames_in", 5)
    until(lambda: camera.sent > 60 and run.number("frames_in") == run.number("frames_out") + run.number("dropped"))
    camera.vanish()
    assert is_whole(run.stop())


def test_a_file_is_played_in_real_time_if_asked(start: Callable, tmp_path: Path) -> None:
    clip = tmp_path / "clip.ts"
    clip.write_bytes(b"".join(footage(24)))
    began = time.monotonic()
    run = start(str(clip), str(tmp_path / "out.mkv"), real_time=True)
    run.wait_for("frames_in", 20)
    assert time.monotonic() - began > 0.5
    run._thread.join(20)
    summary = run.stop()
    assert summary.frames_in >= 20
    assert is_whole(summary)


@pytest.mark.parametrize("name", ["clip.m3u8", "clip.sdp", "clip.ffconcat"])
def test_a_file_cannot_lead_to_the_network(tmp_path: Path, name: str) -> None:
    """Neither --real-time nor the commands for files follow a playlist."""
    camera = Camera(footage())
    text = {
        "clip.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{camera.address}\n#EXT-X-ENDLIST\n",
        "clip.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=video {camera.port} RTP/AVP 33\n",
        "clip.ffconcat": f"ffconcat version 1.0\nfile {camera.address}\n",
    }[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(RestillError, match="cannot be read as a video"):
        live(Live(str(tmp_path / name), str(tmp_path / "out.mkv"), real_time=True))
    assert camera.sent == 0
    camera.vanish()


@contextmanager
def web(files: dict[str, bytes]) -> Iterator[str]:
    """A web server with some files; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = files.get(self.path)
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def playlist(*segments: str) -> bytes:
    """An HLS playlist of segments of one second."""
    lines = "".join(f"#EXTINF:1.0,\n{segment}\n" for segment in segments)
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n{lines}#EXT-X-ENDLIST\n".encode()


def test_a_playlist_is_played_at_its_own_speed(start: Callable, tmp_path: Path) -> None:
    """A server of HLS sends whole seconds at a time."""
    files = {f"/{n}.ts": footage_of_second(n) for n in range(30)}
    files["/live.m3u8"] = playlist(*(f"{n}.ts" for n in range(30)))
    with web(files) as address:
        began = time.monotonic()
        run = start(f"{address}/live.m3u8", str(tmp_path / "out.mkv"))
        run.wait_for("frames_in", 30)
        assert time.monotonic() - began > 0.8
        summary = run.stop()
    assert is_whole(summary)
    times, _ = pictures(tmp_path / "out.mkv")
    assert np.allclose(np.diff(times) * 30, np.rint(np.diff(times) * 30), atol=0.05)


def footage_of_second(number: int) -> bytes:
    return b"".join(footage(30, start=90_000 * number))


def test_a_playlist_of_a_server_cannot_lead_to_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.ts"
    secret.write_bytes(footage_of_second(0))
    files = {"/live.m3u8": playlist(f"file://{secret}")}
    with web(files) as address, pytest.raises(RestillError, match=r"live\.m3u8"):
        live(Live(f"{address}/live.m3u8", str(tmp_path / "out.mkv")))
    assert not (tmp_path / "out.mkv").exists()


def test_no_camera_is_one_sentence(tmp_path: Path) -> None:
    camera = Camera(footage())
    camera.vanish()
    with pytest.raises(RestillError) as error:
        live(Live(camera.address.replace("tcp://", "tcp://me:secret@"), str(tmp_path / "out.mkv")))
    assert str(error.value).endswith("cannot be opened: Connection refused")
    assert "secret" not in str(error.value)


def test_a_target_that_cannot_be_opened_is_an_error(start: Callable, camera: Camera) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = start(camera.address, "page", port=taken.getsockname()[1])
        with pytest.raises(RestillError, match="choose another with --port"):
            run.wait_for("frames_out", 1000)


def test_it_waits_for_the_camera_if_asked(start: Callable, camera: Camera, tmp_path: Path) -> None:
    camera.vanish()
    run = start(camera.address, str(tmp_path / "out.mkv"), wait=True)
    time.sleep(0.3)
    camera.appear()
    run.wait_for("frames_out", 3)
    assert run.stop().reconnects == 0


def test_an_rtsp_camera_that_ends_and_comes_back(start: Callable, tmp_path: Path) -> None:
    with RtspCamera(footage(60)) as camera:  # it ends after two seconds
        run = start(camera.address, str(tmp_path / "out.mkv"))
        run.wait_for("reconnects", 1)
        run.wait_for("frames_out", int(run.number("frames_out")) + 3)
        summary = run.stop()
        camera.shutdown()
    assert camera.asked[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    assert is_whole(summary)
    times, frames = pictures(tmp_path / "out.mkv")
    assert len(frames) == summary.frames_out
    assert np.diff(times).min() > 0


def test_a_camera_that_sends_datagrams(start: Callable, tmp_path: Path) -> None:
    port, over = free_port(), threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            for part in footage():
                for at in range(0, len(part), 1316):
                    one.sendto(part[at : at + 1316], ("127.0.0.1", port))
                if over.wait(1 / 30):
                    return

    thread = threading.Thread(target=send)
    thread.start()
    run = start(f"udp://127.0.0.1:{port}", str(tmp_path / "out.mkv"))
    run.wait_for("frames_out", 10)
    over.set()
    thread.join()
    assert is_whole(run.stop())
