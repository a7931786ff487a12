"""What goes wrong: faults, grudges, and plans that inject, prove and heal them."""
