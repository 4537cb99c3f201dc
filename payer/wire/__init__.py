"""What strangers write, read strictly: x402's messages, and the JSON that sellers and RPC servers send."""
