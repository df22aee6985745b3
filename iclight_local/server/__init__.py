"""The server: routes read a call, hand it to a dialect and the queue, and send what comes back."""
