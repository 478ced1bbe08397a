"""What all training stages share: launch checks, arguments, loops, checkpoints, metrics, and the run around them."""
