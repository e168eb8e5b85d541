"""Pure decisions: values and the time in, one value with a reason out."""
