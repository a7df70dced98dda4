"""What every benchmark needs: where it runs, how it is timed, and how the figures are told."""
