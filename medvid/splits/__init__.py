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
from medvid.splits.large import HELD_OUT, OVER_QUOTA
from medvid.splits.order import TURN, hash_turns, order_fairly
from medvid.splits.proof import (
    Leak,
    LeakProof,
    check_leaks,
    find_leaks,
    leak_proof,
    parted_components,
)
from medvid.splits.quotas import Quota, closest_table, scale_shares
from medvid.splits.report import SelectionReport
from medvid.splits.select import Selection, select_samples
from medvid.splits.settings import (
    PUBLIC_TEST_IDENTITIES,
    PUBLIC_TEST_VIDEOS,
    PUBLISHED_SIZE,
    PUBLISHED_SOURCES,
    PUBLISHED_TEST,
    NativeScheme,
    Split,
    SplitSettings,
    SubsetSettings,
)
from medvid.splits.stability import MemberChange, compare_members

__all__ = [
    "HELD_OUT",
    "OVER_QUOTA",
    "PUBLIC_TEST_IDENTITIES",
    "PUBLIC_TEST_VIDEOS",
    "PUBLISHED_SIZE",
    "PUBLISHED_SOURCES",
    "PUBLISHED_TEST",
    "TURN",
    "AssignedVideo",
    "DuplicateReport",
    "DuplicateSettings",
    "Fingerprint",
    "IdentityGraph",
    "Leak",
    "LeakProof",
    "MediaEdge",
    "MemberChange",
    "NativeScheme",
    "Quota",
    "Selection",
    "SelectionReport",
    "Split",
    "SplitAssignment",
    "SplitSettings",
    "SubsetSettings",
    "VideoLike",
    "assign_splits",
    "check_leaks",
    "closest_table",
    "compare_members",
    "find_duplicates",
    "find_leaks",
    "hash_turns",
    "join_videos",
    "leak_proof",
    "order_fairly",
    "parted_components",
    "scale_shares",
    "select_samples",
    "split_counts",
]
