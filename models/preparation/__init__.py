"""From a signal to the arrays that an encoder takes, the same in training and live."""
