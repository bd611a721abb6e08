"""scheduler-monitor: metrics, alerts, the heartbeat, a ping. Nothing depends on it."""
