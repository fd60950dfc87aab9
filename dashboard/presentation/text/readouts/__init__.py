"""Words and rows of the read-outs, the loss balance and the status."""
