"""`edgekit agent`: a Linux board that answers the serial protocol over TCP or on a terminal line."""
