"""The score: cities made of seeds, played with the real firmware and the real bridge, and what the platform made of them against the truth."""
