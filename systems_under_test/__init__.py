"""Who is asked, and where it runs: bundled systems, their hosts, and environments of nodes."""
