"""What every room of the project speaks: types, vocabularies, errors, table schemas."""
