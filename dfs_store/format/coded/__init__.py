"""Key frames stored as image files: WebP stills, or one AVIF sequence per clip."""
