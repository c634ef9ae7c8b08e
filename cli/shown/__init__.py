"""What commands show: progress, plans and pictures."""
