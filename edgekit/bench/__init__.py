"""The benchmark on a device: session, statistics, comparison."""
