"""Splits that no person crosses, and the balanced selection, with a proof that ships along."""

from medvid.splits.assign import AssignedVideo, SplitAssignment, assign_splits, split_counts
from medvid.splits.duplicates import (
    DuplicateReport,
    DuplicateSettings,
    Fingerprint,
    MediaEdge,
    find_duplicates,
)
from medvid.splits.graph import IdentityGraph, VideoLike, join_videos
from medvid.splits.proof import LeakProof, check_leaks, find_leaks, leak_proof
from medvid.splits.select import Selection, SelectionReport, order_fairly, select_samples
from medvid.splits.settings import (
    PUBLIC_TEST_IDENTITIES,
    PUBLIC_TEST_VIDEOS,
    Split,
    SplitSettings,
)

__all__ = [
    "PUBLIC_TEST_IDENTITIES",
    "PUBLIC_TEST_VIDEOS",
    "AssignedVideo",
    "DuplicateReport",
    "DuplicateSettings",
    "Fingerprint",
    "IdentityGraph",
    "LeakProof",
    "MediaEdge",
    "Selection",
    "SelectionReport",
    "Split",
    "SplitAssignment",
    "SplitSettings",
    "VideoLike",
    "assign_splits",
    "check_leaks",
    "find_duplicates",
    "find_leaks",
    "join_videos",
    "leak_proof",
    "order_fairly",
    "select_samples",
    "split_counts",
]
