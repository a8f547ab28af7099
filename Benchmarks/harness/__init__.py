"""What `Benchmarks/run` is made of; needs nothing but the standard library."""
