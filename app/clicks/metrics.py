"""What the click's path counts, for `/metrics`. A loss or a bad line is never silent."""

from prometheus_client import Counter

SPOOLED = Counter("slugline_clicks_spooled", "Clicks written to the spool by the web process")
LOST = Counter("slugline_clicks_lost", "Clicks answered but not recorded: the spool could not be written")
SHORT_WRITES = Counter("slugline_spool_short_writes", "Spool lines cut short and repeated in a new file")
SYNC_FAILURES = Counter("slugline_spool_sync_failures", "Spool files that could not be forced onto the disk")

INGESTED = Counter("slugline_clicks_ingested", "Spool lines stored in the database", ["kind"])
BAD_LINES = Counter("slugline_spool_bad_lines", "Spool lines that were no clicks and went to quarantine")
TAILS_DROPPED = Counter("slugline_spool_tails_dropped", "Unterminated last lines of finished spool files")
