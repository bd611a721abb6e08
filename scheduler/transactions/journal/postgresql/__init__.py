"""The journal in a PostgreSQL database: imported only where it is, since its library is large."""
