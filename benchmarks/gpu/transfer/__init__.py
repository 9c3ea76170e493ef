"""What travels to a GPU computer without a network, and back: packed, cut, joined, checked."""
