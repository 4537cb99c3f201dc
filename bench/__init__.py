"""Side-by-side benchmarks: each figure is a ratio of ours to a peer (or a limit), measured in the same run."""
