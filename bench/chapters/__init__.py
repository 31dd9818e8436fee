"""What is measured, a chapter a module: each adds its rows to the results."""
