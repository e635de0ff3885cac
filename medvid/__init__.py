"""The engine: media, captions, tasks, splits, shards, releases, room by room."""
