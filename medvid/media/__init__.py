"""Media: probe, integrity check, exact frames, JPEG, overlays, contact sheets."""

from medvid.media.decode import BACKENDS, decode_positions
from medvid.media.fingerprint import FrameHasher, FrameHashes, nearest_to_seconds
from medvid.media.frames import frame_size, frames_of_probe, list_frames, read_frames
from medvid.media.integrity import MediaVerdict, check_media
from medvid.media.isolation import load_ahead, run_isolated
from medvid.media.jpeg import decode_jpeg, encode_jpeg, jpeg_size, read_image
from medvid.media.overlays import LabelledBox, scale_xyxy
from medvid.media.probe import VideoProbe, probe_video
from medvid.media.sheets import SheetFrame, contact_sheet, write_png
from medvid.media.timelines import TimelineRow

__all__ = [
    "BACKENDS",
    "FrameHasher",
    "FrameHashes",
    "LabelledBox",
    "MediaVerdict",
    "SheetFrame",
    "TimelineRow",
    "VideoProbe",
    "check_media",
    "contact_sheet",
    "decode_jpeg",
    "decode_positions",
    "encode_jpeg",
    "frame_size",
    "frames_of_probe",
    "jpeg_size",
    "list_frames",
    "load_ahead",
    "nearest_to_seconds",
    "probe_video",
    "read_frames",
    "read_image",
    "run_isolated",
    "scale_xyxy",
    "write_png",
]
