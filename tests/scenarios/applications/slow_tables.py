"""A module that computes at its top level, and takes far too long."""

TABLE = {}
for number in range(10**10):
    TABLE[number % 1000] = number * number
