"""Values ⇄ text ⇄ envelope: the flat format, its JSON, and the prefixes around it."""
