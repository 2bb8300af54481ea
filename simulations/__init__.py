"""One module per experiment: ``run(quick=, rng=, n_jobs=)`` returns simulation and prediction together."""
