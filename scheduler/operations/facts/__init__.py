"""What is so on this box, read once, for whoever tells it: status, doctor, metrics, alerts, page."""
