"""Decodes video files into clips, in separate processes because decoders may crash."""
