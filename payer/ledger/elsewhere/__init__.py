"""What a wallet paid that its ledger doesn't count: by another home of the wallet, or before the ledger was lost."""
