"""One run as one HTML file: the words of the report, its page and its texts. Renders plain values; asks no store."""
