"""The medvid command line."""
