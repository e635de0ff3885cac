"""How far annotators who saw the same clip say the same."""
