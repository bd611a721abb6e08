"""What is so on this box, read once for all that tell it: status, doctor, metrics, alerts, page."""
