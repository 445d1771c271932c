"""Series on a regular grid of time: times, gaps, covariates, windows."""
