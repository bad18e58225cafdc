"""A report to one HTML file that needs nothing else: no network, no script to be read, a time-line drawn as SVG."""
