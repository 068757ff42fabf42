"""Block tests of the RTL. The benches in this folder can be imported by every test below it."""
