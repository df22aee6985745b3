"""Work that was accepted: kept on disk, ordered fairly, run several at once, and never lost."""
