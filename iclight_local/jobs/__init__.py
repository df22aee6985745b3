"""Work that was accepted: kept on disk, ordered fairly, run one after another, and never lost."""
