"""What a prompt and a brief say: blocks, requirements, languages, deadlines."""
