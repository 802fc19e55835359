"""What `make bench` runs: measured on this machine, in one run, beside floors that do nothing."""
