"""What to do: about a CRD, with which version, about the next page, with which rights."""
