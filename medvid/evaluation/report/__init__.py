"""One page about a submission: scores, intervals, breakdowns and examples to look at."""

from medvid.evaluation.report.page import render_report, write_report

__all__ = ["render_report", "write_report"]
