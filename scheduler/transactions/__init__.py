"""What we send: intents, slots, attempts, outcomes, and the journal that holds them first."""
