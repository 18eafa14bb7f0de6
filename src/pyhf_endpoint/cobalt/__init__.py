"""A Parsl provider for Cobalt, the batch system that Parsl dropped in 2024; importing this package imports nothing of Parsl.

`commands`, `status` and `script` are pure and say what is known of Cobalt; `provider` is the glue to Parsl; `register` makes the
provider known to Globus Compute. What is stated here of Cobalt was observed on release 1.0.33.
"""
