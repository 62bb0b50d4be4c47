"""Reports about networks: summary, comparison, memory, communication."""
