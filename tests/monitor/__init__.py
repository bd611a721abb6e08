"""scheduler-monitor, status and doctor on a box of real parts."""
