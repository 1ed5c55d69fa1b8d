"""Published benchmarks, one file per layout."""
