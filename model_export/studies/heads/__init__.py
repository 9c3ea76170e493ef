"""Study `heads`: how well each kind of head answers after each layer."""
