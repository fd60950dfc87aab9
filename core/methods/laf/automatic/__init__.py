"""LAF's settings found on the data at hand: trials, the signals that they are read by, and the rules that end them."""
