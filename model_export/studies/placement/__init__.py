"""Study `placement`: the same number of exits in other places."""
