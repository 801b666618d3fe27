"""The mathematics of long-context attention. Imports torch and triton only."""
