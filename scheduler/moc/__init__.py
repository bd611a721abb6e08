"""Money on Chain: its seven jobs, declared, and the configuration of those who ran them before."""
