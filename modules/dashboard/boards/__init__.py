"""What the dashboards show: one file each."""
