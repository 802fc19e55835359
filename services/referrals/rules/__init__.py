"""What is right: who may refer whom, what qualifies, what is due. Pure: plain values in, plain values out, no I/O, no clock."""
