"""The leaderboard's ten columns, number for number, with all their gaps."""
