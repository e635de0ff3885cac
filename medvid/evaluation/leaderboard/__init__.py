"""A leaderboard that a group can host: upload, queue, worker, ranking; truth stays on the server.

`medvid leaderboard serve` starts it. Nothing here imports Gradio but `app` and `serving`, so that
workers, exports and tests start without it.
"""
